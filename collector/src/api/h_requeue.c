/*
 * What was set aside, tried again: asked for here, done by ingest's writer in slices.
 * The answer comes at once; how it goes is asked for.
 */
#include "api_internal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const reasons[] = { "not_ours", "undecodable", "foreign_identity", "wrong_part",
	"retained", "oversized", "conflict", "unknown_device", "retired", NULL };

struct requeue_body {
	struct given_enum reason;
	struct given_str device;
	struct given_bool dry_run;
};

static const struct field requeue_fields[] = {
	{ "reason", FIELD_ENUM, offsetof(struct requeue_body, reason), .choices = reasons,
	    .help = "only what was set aside for this reason" },
	{ "device", FIELD_STR, offsetof(struct requeue_body, device), .min = 1,
	    .max = BL_ID_TEXT_MAX, .check = check_id, .help = "only of this device" },
	{ "ids", FIELD_LIST, .raw = true,
	    .help = "only these of the list, at most 1,000 (then neither reason nor device)" },
	{ "dry_run", FIELD_BOOL, offsetof(struct requeue_body, dry_run),
	    .help = "only count what would be tried" },
};
const struct schema body_requeue = { "Requeue", sizeof(struct requeue_body), requeue_fields, 4 };

static int
by_number(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* False: it has been answered. */
static bool
take_ids(struct api_req *r, struct api_requeue *what)
{
	const struct requeue_body *b = r->body;
	char *text = body_rest(r->parsed, &body_requeue);
	json_t *root = text != NULL ? json_loads(text, 0, NULL) : NULL;
	const json_t *ids = json_object_get(root, "ids");
	struct field_errors errs = { 0 };
	const json_t *id;
	size_t i;

	free(text);
	if (ids != NULL && (b->reason.given || b->device.given))
		field_error_add(
		    &errs, "ids", "alone, without reason and device", "them together", NULL);
	if (json_array_size(ids) > API_REQUEUE_IDS)
		field_error_add(&errs, "ids", "at most 1,000", "more", NULL);
	if (ids != NULL && json_array_size(ids) == 0)
		field_error_add(&errs, "ids", "at least one", "none", NULL);
	for (i = 0; errs.n == 0 && i < json_array_size(ids); i++) {
		id = json_array_get(ids, i); /* a text: the schema saw to it */
		if (check_number(r->api, json_string_value(id)) != NULL)
			field_error_add(&errs, "ids", "an id of the list, as text",
			    json_string_value(id), NULL);
		else
			what->id[what->n_ids++] = strtoll(json_string_value(id), NULL, 10);
	}
	json_decref(root);
	if (errs.n > 0)
		api_problem_fields(r, &errs);
	else if (what->n_ids > 1)
		qsort(what->id, what->n_ids, sizeof(what->id[0]), by_number);
	return errs.n == 0;
}

static int
count_matching(struct api_req *r, const struct api_requeue *what, uint64_t *out, struct bl_err *err)
{
	struct store_read *reader;
	uint64_t one;
	int rc;

	*out = 0;
	if ((rc = api_reader_take(r->api, &reader, err)) < 0)
		return rc;
	if (what->n_ids == 0)
		rc = store_read_aside_count(reader, what->reason, what->device, 0, out, err);
	for (size_t i = 0; rc == BL_OK && i < what->n_ids; i++) {
		rc = store_read_aside_count(reader, 0, NULL, what->id[i], &one, err);
		*out += one;
	}
	api_reader_give(r->api, reader);
	return rc;
}

static void
write_state(struct api_req *r, const struct api_requeue_status *s)
{
	struct jsonw *w = &r->w;

	jsonw_bool(w, "running", s->running);
	jsonw_int_or_null(w, "begun_unix_ms", s->begun_unix_ms != 0, s->begun_unix_ms);
	jsonw_int_or_null(w, "ended_unix_ms", s->ended_unix_ms != 0, s->ended_unix_ms);
	jsonw_int(w, "tried", (int64_t)s->tried);
	jsonw_int(w, "taken", (int64_t)s->taken);
	jsonw_int(w, "kept", (int64_t)s->kept);
	jsonw_int(w, "expired", (int64_t)s->expired);
	jsonw_int(w, "later", (int64_t)s->later);
}

static int
send_state(struct api_req *r, unsigned status, bool counted, uint64_t matching)
{
	struct api_requeue_status s = { 0 };

	if (r->api->opts.hooks.requeue_status != NULL)
		r->api->opts.hooks.requeue_status(r->api->opts.hooks.ctx, &s);
	jsonw_object(&r->w, NULL);
	jsonw_int_or_null(&r->w, "matching", counted, (int64_t)matching);
	write_state(r, &s);
	jsonw_object_end(&r->w);
	return api_json_send(r, status);
}

struct note {
	const struct api_requeue *what;
	uint64_t matching;
};

static int
audit(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	const struct note *n = ctx;
	char detail[192];

	(void)snprintf(detail, sizeof(detail),
	    "{\"reason\":%s%s%s,\"device\":%s%s%s,\"ids\":%zu,\"matching\":%llu}",
	    n->what->reason > 0 ? "\"" : "",
	    n->what->reason > 0 ? reasons[n->what->reason - 1] : "null",
	    n->what->reason > 0 ? "\"" : "", n->what->device != NULL ? "\"" : "",
	    n->what->device != NULL ? n->what->device : "null", n->what->device != NULL ? "\"" : "",
	    n->what->n_ids, (unsigned long long)n->matching);
	return control_audit(tx, "set_aside.requeue", "set-aside", NULL, detail, err);
}

static int
begin(struct api_req *r, const struct api_requeue *what, uint64_t matching, struct bl_err *err)
{
	const struct api_hooks *h = &r->api->opts.hooks;
	struct note n = { what, matching };
	struct api_requeue_status s = { 0 };
	struct bl_err busy = { 0 };
	int rc;

	h->requeue_status(h->ctx, &s);
	if (!s.running) {
		/* Who asked is written down before anything is done. */
		if ((rc = control_write(r->api->opts.control, &r->actor, audit, &n, err)) < 0)
			return rc;
		if ((rc = h->requeue(h->ctx, what, &busy)) == BL_OK)
			return send_state(r, 202, true, matching);
	}
	api_problem(r, 409, "conflict",
	    "What was set aside is being tried again already; ask again when that has ended.");
	return 0;
}

int
post_set_aside_requeue(struct api_req *r, struct bl_err *err)
{
	const struct requeue_body *b = r->body;
	struct api_requeue *what = calloc(1, sizeof(*what));
	uint64_t matching;
	int rc = 0;

	if (what == NULL)
		return bl_fail(err, BL_ENOMEM, "requeue: out of memory");
	what->reason = b->reason.given ? b->reason.v + 1 : 0;
	what->device = b->device.v;
	if (take_ids(r, what) && (rc = count_matching(r, what, &matching, err)) == BL_OK) {
		if (b->dry_run.v || r->api->opts.hooks.requeue == NULL)
			rc = send_state(r, 200, true, matching);
		else
			rc = begin(r, what, matching, err);
	}
	free(what);
	return rc;
}

int
get_set_aside_requeue(struct api_req *r, struct bl_err *err)
{
	(void)err;
	return send_state(r, 200, false, 0);
}
