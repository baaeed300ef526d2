/*
 * Messages: what was sent, to which channel, what the other side answered; and
 * one to try a channel.  Words are made from the stored facts as they were for sending.
 */
#include "api_internal.h"

#include <stdio.h>
#include <string.h>

#include "control_sql.h"
#include "deliver_render.h"
#include "outbox.h"

#define MESSAGES_MAX 500 /* of a page: a digest may be long */

struct messages_query {
	struct given_enum state;
	struct given_str channel, incident, cursor;
	struct given_int limit;
};

static const char *const states[] = { "waiting", "sent", "refused", "given_up", NULL };

static const char *
check_incident(const struct api *api, const char *v)
{
	return check_number(api, v) == NULL && api_number(v) > 0 ? NULL : "the id of an incident";
}

#define AT(m) offsetof(struct messages_query, m)
static const struct field messages_fields[] = {
	{ "state", FIELD_ENUM, AT(state), .choices = states, .help = "only in this state" },
	QUERY_ID(AT, channel, false, "only to this channel"),
	{ "incident", FIELD_STR, AT(incident), .min = 1, .max = 18, .check = check_incident,
	    .help = "only about this incident; digests are about many and not among them" },
	QUERY_LIMIT(AT, MESSAGES_MAX),
	QUERY_CURSOR(AT, "before"),
};
const struct schema query_messages = { "", sizeof(struct messages_query), messages_fields, 5 };

struct listing {
	struct api_req *r;
	struct api_page *page;
	struct api_names names;
	int64_t last;
	int rc;
	struct bl_err *err;
};

/* Facts that cannot be put into words (a newer version's) are no reason to hide the rest. */
static int
write_words(struct api_req *r, const struct outbox_row *m, const char *language, struct bl_err *err)
{
	struct deliver_text text = { 0 };
	const int rc =
	    deliver_render(&text, m->kind, m->facts, language, r->api->opts.board_url, err);

	if (rc == BL_ENOMEM)
		return rc;
	jsonw_str(&r->w, "subject", rc == BL_OK ? text.subject : "");
	jsonw_str(&r->w, "text", rc == BL_OK ? text.text : "");
	if (rc == BL_OK)
		deliver_text_free(&text);
	return BL_OK;
}

static int
write_message(
    struct api_req *r, struct api_names *names, const struct outbox_row *m, struct bl_err *err)
{
	const struct api_definition_name *channel;
	struct jsonw *w = &r->w;
	int rc;

	rc = api_name_definition(names, r->db, DEFINE_CHANNEL, m->channel, &channel, err);
	if (rc < 0)
		return rc;
	jsonw_object(w, NULL);
	jsonw_int(w, "id", m->id);
	jsonw_str(w, "key", m->key);
	jsonw_str(w, "channel", m->channel);
	jsonw_str(w, "channel_name", channel->name);
	jsonw_str(w, "kind", m->kind);
	jsonw_str(w, "site", m->site[0] != '\0' ? m->site : NULL);
	jsonw_int_or_null(w, "incident", m->incident != 0, m->incident);
	jsonw_int(w, "created_unix_ms", m->created_unix_ms);
	jsonw_int(w, "due_unix_ms", m->due_unix_ms);
	jsonw_int_or_null(w, "sent_unix_ms", m->sent_unix_ms != 0, m->sent_unix_ms);
	jsonw_int(w, "tries", m->tries);
	jsonw_str(w, "state", m->state);
	/* it may name addresses, or quote what a receiver says */
	jsonw_str(w, "answer", api_may_read(r, ON_CHANNELS) ? m->answer : "");
	rc = write_words(r, m, channel->language, err);
	jsonw_object_end(w);
	return rc;
}

static bool
write_one(void *ctx, const struct outbox_row *m)
{
	struct listing *l = ctx;

	if (!api_page_room(l->r, l->page))
		return false;
	l->rc = write_message(l->r, &l->names, m, l->err);
	l->last = m->id;
	return l->rc == BL_OK;
}

int
api_write_messages(struct api_req *r, struct outbox_filter *f, struct api_page *p, int64_t *last,
    struct bl_err *err)
{
	struct listing l = { .r = r, .page = p, .err = err };
	int rc;

	f->limit = p->limit + 1;
	rc = outbox_each(r->db, f, write_one, &l, err);
	*last = l.last;
	return rc < 0 ? rc : l.rc;
}

int
get_messages(struct api_req *r, struct bl_err *err)
{
	const struct messages_query *q = r->query;
	struct outbox_filter f = {
		.state = q->state.given ? states[q->state.v] : NULL,
		.channel = q->channel.v,
		.incident = api_number(q->incident.v),
		.before_id = api_number(q->cursor.v),
	};
	struct api_page page = { .limit = q->limit.given ? (size_t)q->limit.v : API_LIMIT_DFLT };
	int64_t last;
	int rc;

	api_items(r);
	rc = api_write_messages(r, &f, &page, &last, err);
	return rc < 0 ? rc : api_items_send(r, &page, last);
}

/* ---- trying a channel ----------------------------------------------------------- */

struct trial {
	const char *channel;
	char key[BL_ID_TEXT_MAX + BL_ID_HEX_SIZE + 8];
	int64_t id; /* of the row */
};

static int
put_trial(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	struct trial *t = ctx;
	const struct outbox_new m = {
		.key = t->key, .channel = t->channel, .kind = "test", .site = "", .facts = "{}"
	};
	char subject[BL_ID_TEXT_MAX + 16];
	int rc;

	rc = outbox_put(control_tx_db(tx), &m, control_tx_unix_ms(tx), err);
	if (rc < 0)
		return rc;
	t->id = sqlite3_last_insert_rowid(control_tx_db(tx));
	(void)snprintf(subject, sizeof(subject), "channel/%s", t->channel);
	return control_audit(tx, "channel.test", subject, NULL, NULL, err);
}

int
post_channels_id_test(struct api_req *r, struct bl_err *err)
{
	const struct bl_id random = bl_id_random(r->api->opts.clock);
	struct trial t = { .channel = r->param[0] };
	struct api_page page = { .limit = 1 };
	struct listing l = { .r = r, .page = &page, .err = err };
	char hex[BL_ID_HEX_SIZE];
	int rc;

	rc = api_definition_there(r, DEFINE_CHANNEL, t.channel, err);
	if (rc < 0)
		return rc == BL_ENOTFOUND ? 0 : rc;
	bl_id_hex(&random, hex);
	(void)snprintf(t.key, sizeof(t.key), "test/%s/%s", t.channel, hex);
	if ((rc = control_write(r->api->opts.control, &r->actor, put_trial, &t, err)) < 0)
		return rc;
	if (r->api->opts.hooks.messages_put != NULL)
		r->api->opts.hooks.messages_put(r->api->opts.hooks.ctx);
	if ((rc = api_db_renew(r, err)) < 0 ||
	    (rc = outbox_get(r->db, t.id, write_one, &l, err)) < 0 || (rc = l.rc) < 0)
		return rc;
	return api_json_send(r, 202);
}
