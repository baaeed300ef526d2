/*
 * Incidents that people have been told of: their end, their withdrawal, their
 * return; and those of a digest that turn out to hold.
 */
#include "notice_internal.h"

int
notice_page(struct notice_run *r, const struct incident *i, int64_t again)
{
	const char *channels[DEFINE_CHANNELS_MAX];
	const size_t n = notice_channels(r, i, channels);
	const char *detail;
	struct jsonw w;
	size_t len;
	int rc;

	if ((rc = notice_send(r, i, "page", again)) < 0 ||
	    (rc = incident_set_notice(r->db, i->id, INCIDENT_PAGED, r->err)) < 0)
		return rc;
	jsonw_init(&w, NOTICE_FACTS_MAX);
	jsonw_object(&w, NULL);
	jsonw_array(&w, "channels");
	for (size_t k = 0; k < n; k++)
		jsonw_str(&w, NULL, channels[k]);
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	detail = jsonw_text(&w, &len);
	rc = detail == NULL ? bl_fail(r->err, BL_ENOMEM, "notices: out of memory")
			    : incident_note(r->db, i->id, r->now_unix_ms, "paged", detail, r->err);
	jsonw_free(&w);
	return rc;
}

/* How often it was paged: once, and again after each return.  What it took over counts as one. */
static int
count_pages(const struct notice_run *r, int64_t id, int64_t *out)
{
	const int rc = control_sql_int(r->db, r->err, 0, out,
	    "SELECT count(*) FROM incident_entry WHERE incident = ? AND kind = 'paged'", "i", id);

	if (*out < 1)
		*out = 1;
	return rc;
}

static int
end_was_told(const struct notice_run *r, int64_t id, int64_t pages, bool *out)
{
	int64_t n;
	const int rc = control_sql_int(r->db, r->err, 0, &n,
	    "SELECT count(DISTINCT created_unix_ms) FROM outbox WHERE incident = ?"
	    " AND kind = 'ended'",
	    "i", id);

	*out = n >= pages;
	return rc;
}

/* Once for each page: a second message for the same one has the same key. */
static int
tell_end(struct notice_run *r, const struct incident *i)
{
	const struct define_rule *v = notice_rule(r, i);
	int64_t pages;
	int rc;

	if (v == NULL || !v->tell_end)
		return BL_OK;
	if ((rc = count_pages(r, i->id, &pages)) < 0)
		return rc;
	return notice_send(r, i, "ended", pages - 1);
}

/* It goes on after all.  Nothing new for people unless its end was told. */
static int
page_again(struct notice_run *r, const struct incident *i)
{
	const struct bl_interval at = { i->begin_unix_ms, i->end_unix_ms, i->last_true_unix_ms };
	int64_t pages;
	bool told;
	int rc;

	if (bl_rule_notice(&r->policy, &at, i->known_unix_ms, r->now_unix_ms) != BL_NOTICE_PAGE)
		return BL_OK;
	if (i->notice == INCIDENT_IN_DIGEST)
		return notice_page(r, i, 0);
	if ((rc = count_pages(r, i->id, &pages)) < 0 ||
	    (rc = end_was_told(r, i->id, pages, &told)) < 0)
		return rc;
	return told ? notice_page(r, i, pages) : BL_OK;
}

static int
tell_news(struct notice_run *r, const struct incident *i)
{
	const bool paged = i->notice == INCIDENT_PAGED;

	if (i->state == INCIDENT_MERGED) /* its messages speak for the one that stays */
		return BL_OK;
	if (i->state == INCIDENT_WITHDRAWN)
		return paged ? notice_send(r, i, "withdrawn", 0) : BL_OK;
	if (i->end_unix_ms != INCIDENT_OPEN)
		return paged ? tell_end(r, i) : BL_OK;
	return i->state == INCIDENT_RESOLVED ? BL_OK : page_again(r, i);
}

struct telling {
	struct notice_run *r;
	int rc;
};

static bool
take_incident(void *ctx, const struct incident *i)
{
	struct telling *t = ctx;

	t->rc = tell_news(t->r, i);
	return false;
}

static int
tell_one(struct notice_run *r, int64_t id)
{
	struct telling t = { .r = r };
	int rc = BL_OK;

	if (!r->quiet) { /* after a restore, what people were told by is over */
		rc = incident_get(r->db, id, take_incident, &t, r->err);
		rc = rc < 0 ? rc : t.rc;
	}
	if (rc < 0)
		return rc;
	return control_sql_run(r->db, r->err, "DELETE FROM notice_due WHERE incident = ?", "i", id);
}

int
notice_told(struct notice_run *r)
{
	int64_t id = 0;
	int rc = BL_OK;

	while (r->left > 0 && rc >= 0) {
		rc = control_sql_int(r->db, r->err, 0, &id,
		    "SELECT min(incident) FROM notice_due WHERE incident > ?", "i", id);
		if (rc < 0 || id == 0)
			return rc;
		rc = tell_one(r, id);
		r->left--;
	}
	return rc < 0 ? rc : BL_OK;
}
