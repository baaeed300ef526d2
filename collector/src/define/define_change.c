/*
 * New definitions and new versions: one change of the control writer each, with
 * everything checked inside it, so that two people who change at the same time
 * cannot both be right.  Any thread.
 */
#include "define_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/platform_util.h>

#include "control_sql.h"
#include "fleet.h"

/* A body with every byte of two expressions escaped, and the rest of it. */
#define CANONICAL_MAX (64u * 1024u)

struct change {
	enum define_kind kind;
	const char *id; /* create: NULL, make one */
	int64_t expect_version;
	const struct define_edit *e;
	json_t *given; /* the edit's body; NULL: none */
	char *id_out;
	struct define_errors *errs;
	const char *author;
};

/* What is about to be stored. */
struct draft {
	struct define_head head;
	json_t *merged; /* what the person sees as the new body */
	union define_any *any;
	json_t *body;       /* canonical */
	char *text;         /* the same, to store */
	const char *secret; /* to store with it; NULL: none, or as it is */
	char made[DEFINE_SECRET_MAX + 1];
};

static int
no_memory(struct bl_err *err)
{
	return bl_fail(err, BL_ENOMEM, "definition: out of memory");
}

static void
draft_release(enum define_kind kind, struct draft *d)
{
	if (d->any != NULL)
		define_any_release(kind, d->any);
	free(d->any);
	json_decref(d->merged);
	json_decref(d->body);
	free(d->text);
	mbedtls_platform_zeroize(d->made, sizeof(d->made));
}

/* ---- the audit log ----------------------------------------------------------- */

/* Members of a stored body: flat, but for lists of texts. */
static void
write_member(struct jsonw *w, const char *key, json_t *v)
{
	json_t *item;
	size_t i;

	switch (json_typeof(v)) {
	case JSON_STRING:
		jsonw_str(w, key, json_string_value(v));
		break;
	case JSON_INTEGER:
		jsonw_int(w, key, json_integer_value(v));
		break;
	case JSON_REAL:
		jsonw_num(w, key, json_real_value(v));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		jsonw_bool(w, key, json_is_true(v));
		break;
	case JSON_ARRAY:
		jsonw_array(w, key);
		json_array_foreach(v, i, item)
		{
			jsonw_str(w, NULL, json_string_value(item));
		}
		jsonw_array_end(w);
		break;
	default:
		jsonw_null(w, key);
	}
}

/* A query may carry a receiver's token: the log keeps that there is one. */
static void
write_url(struct jsonw *w, const char *url)
{
	char shown[DEFINE_URL_MAX + 8];
	const char *query = strchr(url, '?');

	(void)snprintf(shown, sizeof(shown), "%.*s%s",
	    (int)(query != NULL ? query - url : DEFINE_URL_MAX), url, query != NULL ? "?..." : "");
	jsonw_str(w, "url", shown);
}

/* Owned by w, which is initialised here; NULL: no memory. */
static const char *
audit_text(struct jsonw *w, const struct define_head *h, json_t *body, bool new_secret)
{
	const char *key;
	json_t *v;

	jsonw_init(w, CANONICAL_MAX + 4096);
	jsonw_object(w, NULL);
	jsonw_str(w, "id", h->id);
	jsonw_str(w, "name", h->name);
	jsonw_int(w, "version", h->version);
	jsonw_bool(w, "enabled", h->enabled);
	jsonw_int(w, "from_unix_ms", h->from_unix_ms);
	json_object_foreach(body, key, v)
	{
		if (strcmp(key, "url") == 0 && json_is_string(v))
			write_url(w, json_string_value(v));
		else
			write_member(w, key, v);
	}
	if (new_secret)
		jsonw_str(w, "secret", "new");
	jsonw_object_end(w);
	return jsonw_text(w, NULL);
}

static int
audit(struct control_tx *tx, const struct change *ch, const struct define_head *before,
    json_t *body_before, const struct draft *after, struct bl_err *err)
{
	const char *kind = define_kind_name(ch->kind), *was = NULL, *is;
	struct jsonw b = { 0 }, a;
	char action[32], subject[BL_ID_TEXT_MAX + 16];
	int rc;

	(void)snprintf(action, sizeof(action), "%s.%s", kind, before != NULL ? "change" : "create");
	(void)snprintf(subject, sizeof(subject), "%s/%s", kind, after->head.id);
	is = audit_text(&a, &after->head, after->body, after->secret != NULL);
	if (before != NULL)
		was = audit_text(&b, before, body_before, false);
	rc = is == NULL || (before != NULL && was == NULL)
		 ? no_memory(err)
		 : control_audit(tx, action, subject, was, is, err);
	jsonw_free(&a);
	jsonw_free(&b);
	return rc;
}

/* ---- checks -------------------------------------------------------------------- */

static void
check_name(struct define_head *h, const char *name, struct define_errors *errs)
{
	static const char expected[] = "a name of 1 to 128 bytes that one can see";

	if (name == NULL)
		define_fault(errs, "name", "nothing", "%s", expected);
	else if (!fleet_name_valid(name, DEFINE_NAME_MAX))
		define_fault_text(errs, "name", name, expected);
	else
		(void)snprintf(h->name, sizeof(h->name), "%s", name);
}

/* previous NULL: a new definition. */
static void
check_from(struct define_head *h, int64_t from, int64_t now, const struct define_head *previous,
    struct define_errors *errs)
{
	char got[32];

	h->from_unix_ms = from != 0 ? from : now;
	if (from == 0) {
		/* what begins later only is replaced from its begin on */
		if (previous != NULL && previous->from_unix_ms > now)
			h->from_unix_ms = previous->from_unix_ms;
		return;
	}
	(void)snprintf(got, sizeof(got), "%lld", (long long)from);
	if (from < now - DEFINE_PAST_MS || from > now + DEFINE_PAST_MS)
		define_fault(errs, "from_unix_ms", got, "a time at most 400 days from now");
	else if (previous != NULL && from < previous->from_unix_ms)
		define_fault(errs, "from_unix_ms", got, "at least %lld, where version %lld begins",
		    (long long)previous->from_unix_ms, (long long)previous->version);
}

/* got never has it. */
static void
check_secret(const struct change *ch, struct draft *d, bool is_new)
{
	const bool webhook = ch->kind == DEFINE_CHANNEL && d->any->channel.kind == DEFINE_WEBHOOK;

	if (ch->e->secret == NULL) {
		if (webhook && is_new) {
			define_secret_make(d->made);
			d->secret = d->made;
		}
		return;
	}
	if (ch->kind != DEFINE_CHANNEL)
		define_fault(ch->errs, "secret", "a text", "no field of this name");
	else if (d->any->channel.kind == DEFINE_EMAIL)
		define_fault(ch->errs, "secret", "a text", "nothing: email has none");
	else if (!define_secret_ok(ch->e->secret))
		define_fault(ch->errs, "secret", "another text",
		    "\"whsec_\" and the base64 of 24 to 64 bytes");
	else
		d->secret = ch->e->secret;
}

/* A rule of another kind would have other subjects, a channel other receivers: that is another one.
 */
static void
check_kind_stays(const struct change *ch, json_t *before, const struct draft *d)
{
	const char *was = json_string_value(json_object_get(before, "kind"));
	const char *is = json_string_value(json_object_get(d->merged, "kind"));
	char expected[64];

	if ((ch->kind != DEFINE_RULE && ch->kind != DEFINE_CHANNEL) || was == NULL || is == NULL ||
	    strcmp(was, is) == 0)
		return;
	(void)snprintf(expected, sizeof(expected), "%s: the kind of a %s stays", was,
	    define_kind_name(ch->kind));
	define_fault_text(ch->errs, "kind", is, expected);
}

/* ---- building the new version ----------------------------------------------------- */

/* The members of given replace, null removes.  base NULL: nothing before. */
static json_t *
merge(json_t *base, json_t *given)
{
	json_t *out = json_object(), *v;
	const char *key;

	/* not json_copy, which leaves out what there is no memory for */
	if (out == NULL || (base != NULL && json_object_update(out, base) != 0))
		goto fail;
	json_object_foreach(given, key, v)
	{
		if (json_is_null(v)) {
			(void)json_object_del(out, key); /* it may not be there */
		} else if (json_object_set(out, key, v) != 0) {
			goto fail;
		}
	}
	return out;
fail:
	json_decref(out);
	return NULL;
}

static int
canonical(enum define_kind kind, struct draft *d, struct bl_err *err)
{
	struct jsonw w;
	const char *text;
	size_t len;
	int rc = BL_OK;

	jsonw_init(&w, CANONICAL_MAX);
	jsonw_object(&w, NULL);
	define_write_members(&w, kind, d->any);
	jsonw_object_end(&w);
	if ((text = jsonw_text(&w, &len)) == NULL || (d->text = strdup(text)) == NULL)
		rc = no_memory(err);
	else
		rc = bl_json_parse(&d->body, text, len, CANONICAL_MAX, "definition", err);
	jsonw_free(&w);
	return rc;
}

/* DEFINE_DONE with the draft complete, DEFINE_INVALID, or negative. */
static int
build(struct sqlite3 *db, const struct change *ch, json_t *before, struct draft *d,
    struct bl_err *err)
{
	int rc;

	if ((d->merged = merge(before, ch->given)) == NULL ||
	    (d->any = calloc(1, sizeof(*d->any))) == NULL)
		return no_memory(err);
	rc = define_parse(ch->kind, d->merged, ch->given, d->any, ch->errs, err);
	if (rc < 0)
		return rc;
	check_secret(ch, d, before == NULL);
	if (before != NULL)
		check_kind_stays(ch, before, d);
	rc = define_refs_check(db, ch->kind, before != NULL ? ch->id : NULL, d->any, ch->errs, err);
	if (rc < 0)
		return rc;
	return ch->errs->n > 0 ? DEFINE_INVALID : canonical(ch->kind, d, err);
}

static int
store(struct sqlite3 *db, const struct change *ch, const struct draft *d, struct bl_err *err)
{
	const char *kind = define_kind_name(ch->kind);
	const struct define_head *h = &d->head;
	int rc;

	rc = control_sql_run(db, err,
	    "INSERT INTO definition (kind, id, version) VALUES (?, ?, ?) "
	    "ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version",
	    "tti", kind, h->id, h->version);
	if (rc < 0)
		return rc;
	rc = control_sql_run(db, err,
	    "INSERT INTO definition_version (kind, id, version, from_unix_ms, name, enabled, body, "
	    "author, created_unix_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
	    "ttiititti", kind, h->id, h->version, h->from_unix_ms, h->name, (int64_t)h->enabled,
	    d->text, h->author, h->created_unix_ms);
	if (rc < 0 || d->secret == NULL)
		return rc;
	return define_secret_store(db, h->id, d->secret, err);
}

/* DEFINE_DONE or DEFINE_FULL. */
static int
room_for_version(struct sqlite3 *db, enum define_kind kind, struct bl_err *err)
{
	int64_t n;
	const int rc = control_sql_int(db, err, 0, &n,
	    "SELECT count(*) FROM definition_version WHERE kind = ?", "t", define_kind_name(kind));

	if (rc < 0)
		return rc;
	return n < DEFINE_ALL_MAX ? DEFINE_DONE : DEFINE_FULL;
}

/* ---- a new definition --------------------------------------------------------------- */

static int
taken(struct sqlite3 *db, enum define_kind kind, const char *id, int64_t *n, struct bl_err *err)
{
	return control_sql_int(db, err, 0, n,
	    "SELECT count(*) FROM definition WHERE kind = ? AND id = ?", "tt",
	    define_kind_name(kind), id);
}

/* DEFINE_DONE, DEFINE_EXISTS or negative. */
static int
choose_id(
    struct sqlite3 *db, const struct change *ch, char out[BL_ID_TEXT_MAX + 1], struct bl_err *err)
{
	char base[BL_ID_TEXT_MAX + 1];
	int64_t n;
	int rc;

	if (ch->id != NULL) {
		(void)snprintf(out, BL_ID_TEXT_MAX + 1, "%s", ch->id);
		rc = taken(db, ch->kind, out, &n, err);
		return rc < 0 ? rc : n > 0 ? DEFINE_EXISTS : DEFINE_DONE;
	}
	fleet_id_from_name(ch->e->name, define_kind_name(ch->kind), base);
	(void)snprintf(out, BL_ID_TEXT_MAX + 1, "%s", base);
	/* there are DEFINE_MAX others at most */
	for (unsigned i = 2; i <= DEFINE_MAX + 2; i++) {
		if ((rc = taken(db, ch->kind, out, &n, err)) < 0)
			return rc;
		if (n == 0)
			return DEFINE_DONE;
		(void)snprintf(out, BL_ID_TEXT_MAX + 1, "%.57s-%u", base, i);
	}
	return DEFINE_EXISTS;
}

static int
create_draft(struct control_tx *tx, const struct change *ch, struct draft *d, struct bl_err *err)
{
	struct sqlite3 *db = control_tx_db(tx);
	struct define_head *h = &d->head;
	int64_t n;
	int rc;

	rc = control_sql_int(db, err, 0, &n, "SELECT count(*) FROM definition WHERE kind = ?", "t",
	    define_kind_name(ch->kind));
	if (rc < 0)
		return rc;
	if (n >= DEFINE_MAX)
		return DEFINE_FULL;
	if ((rc = room_for_version(db, ch->kind, err)) != DEFINE_DONE)
		return rc;
	if (ch->id != NULL && !bl_id_text_valid(ch->id))
		define_fault_text(ch->errs, "id", ch->id, "an id: a-z, 0-9 and '-', at most 63");
	check_name(h, ch->e->name, ch->errs);
	check_from(h, ch->e->from_unix_ms, control_tx_unix_ms(tx), NULL, ch->errs);
	if ((rc = build(db, ch, NULL, d, err)) != DEFINE_DONE ||
	    (rc = choose_id(db, ch, h->id, err)) != DEFINE_DONE)
		return rc;
	h->version = 1;
	h->enabled = ch->e->has_enabled ? ch->e->enabled : true;
	h->created_unix_ms = control_tx_unix_ms(tx);
	(void)snprintf(h->author, sizeof(h->author), "%s", ch->author);
	if ((rc = store(db, ch, d, err)) < 0)
		return rc;
	(void)snprintf(ch->id_out, BL_ID_TEXT_MAX + 1, "%s", h->id);
	return audit(tx, ch, NULL, NULL, d, err);
}

static int
create(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	const struct change *ch = ctx;
	struct draft d = { 0 };
	const int rc = create_draft(tx, ch, &d, err);

	draft_release(ch->kind, &d);
	return rc;
}

/* ---- a new version --------------------------------------------------------------------- */

static bool
differs(const struct change *ch, const struct define_head *before, json_t *body_before,
    const struct draft *d)
{
	return d->secret != NULL || ch->e->from_unix_ms != 0 ||
	       d->head.enabled != before->enabled || strcmp(d->head.name, before->name) != 0 ||
	       !json_equal(body_before, d->body);
}

static int
change_draft(struct control_tx *tx, const struct change *ch, const struct define_head *before,
    json_t *body_before, struct draft *d, struct bl_err *err)
{
	struct sqlite3 *db = control_tx_db(tx);
	struct define_head *h = &d->head;
	int rc;

	if (ch->expect_version != 0 && ch->expect_version != before->version)
		return DEFINE_STALE;
	*h = *before;
	if (ch->e->name != NULL)
		check_name(h, ch->e->name, ch->errs);
	check_from(h, ch->e->from_unix_ms, control_tx_unix_ms(tx), before, ch->errs);
	if (ch->e->has_enabled)
		h->enabled = ch->e->enabled;
	if ((rc = build(db, ch, body_before, d, err)) != DEFINE_DONE)
		return rc;
	if (!differs(ch, before, body_before, d)) {
		control_tx_unaudited(tx); /* nothing was changed */
		return DEFINE_DONE;
	}
	if (before->version >= DEFINE_VERSIONS_MAX)
		return DEFINE_FULL;
	if ((rc = room_for_version(db, ch->kind, err)) != DEFINE_DONE)
		return rc;
	h->version++;
	h->created_unix_ms = control_tx_unix_ms(tx);
	(void)snprintf(h->author, sizeof(h->author), "%s", ch->author);
	if ((rc = store(db, ch, d, err)) < 0)
		return rc;
	return audit(tx, ch, before, body_before, d, err);
}

static int
change(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	const struct change *ch = ctx;
	struct define_head before;
	json_t *body_before;
	struct draft d = { 0 };
	int rc;

	rc = define_row_load(control_tx_db(tx), ch->kind, ch->id, &before, &body_before, err);
	if (rc < 0)
		return rc == BL_ENOTFOUND ? DEFINE_NONE : rc;
	rc = change_draft(tx, ch, &before, body_before, &d, err);
	draft_release(ch->kind, &d);
	json_decref(body_before);
	return rc;
}

/* ---- outside ------------------------------------------------------------------------------ */

/* Reads the edit's body before the writer's turn is taken. */
static int
run(struct control *c, const struct control_actor *who, struct change *ch, control_change_fn fn,
    struct bl_err *err)
{
	const char *text = ch->e->body != NULL ? ch->e->body : "{}";
	int rc;

	memset(ch->errs, 0, sizeof(*ch->errs));
	ch->author = who->name;
	rc = bl_json_parse(&ch->given, text, strlen(text), DEFINE_BODY_MAX, "definition", err);
	if (rc < 0)
		return rc;
	if (json_is_object(ch->given)) {
		rc = control_write(c, who, fn, ch, err);
	} else {
		define_fault(ch->errs, "", "a list", "an object");
		rc = DEFINE_INVALID;
	}
	json_decref(ch->given);
	return rc;
}

int
define_create(struct control *c, const struct control_actor *who, enum define_kind kind,
    const char *id, const struct define_edit *e, char id_out[BL_ID_TEXT_MAX + 1],
    struct define_errors *errs, struct bl_err *err)
{
	struct change ch = { .kind = kind, .id = id, .e = e, .id_out = id_out, .errs = errs };

	id_out[0] = '\0';
	return run(c, who, &ch, create, err);
}

int
define_change(struct control *c, const struct control_actor *who, enum define_kind kind,
    const char *id, int64_t expect_version, const struct define_edit *e, struct define_errors *errs,
    struct bl_err *err)
{
	struct change ch = {
		.kind = kind, .id = id, .expect_version = expect_version, .e = e, .errs = errs
	};

	return run(c, who, &ch, change, err);
}
