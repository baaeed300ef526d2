/*
 * One digest a site: what happened while nobody could know.  It waits until the
 * site's past has come in, at most so long, and names each incident once.
 */
#include "notice_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SITES_MAX 64 /* digests of one run */

int
notice_add_to_digest(struct notice_run *r, const struct incident *i)
{
	const int rc = control_sql_run(r->db, r->err,
	    "INSERT OR IGNORE INTO digest_item (site, incident, added_unix_ms) VALUES (?, ?, ?)",
	    "tii", i->site, i->id, r->now_unix_ms);

	return rc < 0 ? rc : incident_set_notice(r->db, i->id, INCIDENT_IN_DIGEST, r->err);
}

/* ---- which sites ---- */

struct due {
	char site[SITES_MAX][BL_ID_TEXT_MAX + 1];
	size_t n;
};

static int
find_due(struct notice_run *r, struct due *out)
{
	/* Quiet: nothing was added, and nothing of its devices is still to be worked out. */
	static const char sql[] =
	    "SELECT site FROM digest_item AS i GROUP BY site"
	    " HAVING min(added_unix_ms) <= ?1 OR (max(added_unix_ms) <= ?2 AND NOT EXISTS"
	    " (SELECT 1 FROM service AS s JOIN eval_dirty AS d ON d.device = s.device"
	    " WHERE s.site = i.site))"
	    " ORDER BY site LIMIT ?3";
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(&st, r->db, r->err, sql, "iii", r->now_unix_ms - r->digest_max_ms,
	    r->now_unix_ms - r->digest_quiet_ms, (int64_t)SITES_MAX);
	if (rc < 0)
		return rc;
	while ((rc = control_sql_step(st, r->err)) == 1 && out->n < SITES_MAX)
		control_sql_text(st, 0, out->site[out->n++], sizeof(out->site[0]));
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

/* ---- one site ---- */

struct digest {
	struct notice_run *r;
	const char *site;
	int64_t *id; /* ascending */
	size_t n;
	/* of the channel at hand */
	const char *channel;
	struct jsonw *w;
	int64_t first, last;
	size_t told;
	/* channels concerned */
	const char **channels;
	size_t n_channels, size;
	int rc;
};

static int
load_items(struct digest *d)
{
	size_t size = 0;
	sqlite3_stmt *st;
	int rc;

	/* Paged since it was put here, or taken back: no history to tell. */
	rc = control_sql_prepare(&st, d->r->db, d->r->err,
	    "SELECT i.id FROM digest_item d JOIN incident i ON i.id = d.incident WHERE d.site = ?"
	    " AND i.state NOT IN ('withdrawn', 'merged') AND i.notice = 2 ORDER BY i.id",
	    "t", d->site);
	if (rc < 0)
		return rc;
	while ((rc = control_sql_step(st, d->r->err)) == 1) {
		if (d->n == size) {
			int64_t *more;

			size = size == 0 ? 64 : 2 * size;
			if ((more = realloc(d->id, size * sizeof(*more))) == NULL) {
				rc = bl_fail(d->r->err, BL_ENOMEM, "digest: out of memory");
				break;
			}
			d->id = more;
		}
		d->id[d->n++] = sqlite3_column_int64(st, 0);
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc;
}

static int
each_incident(struct digest *d, incident_cb cb)
{
	int rc = BL_OK;

	for (size_t k = 0; k < d->n && rc >= 0; k++) {
		rc = incident_get(d->r->db, d->id[k], cb, d, d->r->err);
		rc = rc < 0 ? rc : d->rc;
	}
	return rc;
}

static bool
take_channels(void *ctx, const struct incident *i)
{
	struct digest *d = ctx;
	const char *of[DEFINE_CHANNELS_MAX];
	const size_t n = notice_channels(d->r, i, of);

	for (size_t k = 0; k < n; k++) {
		bool known = false;

		for (size_t j = 0; j < d->n_channels && !known; j++)
			known = strcmp(d->channels[j], of[k]) == 0;
		if (known)
			continue;
		if (d->n_channels == d->size) {
			const size_t size = d->size == 0 ? 16 : 2 * d->size;
			const char **more = realloc(d->channels, size * sizeof(*more));

			if (more == NULL) {
				d->rc = bl_fail(d->r->err, BL_ENOMEM, "digest: out of memory");
				return false;
			}
			d->channels = more;
			d->size = size;
		}
		d->channels[d->n_channels++] = of[k];
	}
	return false;
}

static bool
write_one(void *ctx, const struct incident *i)
{
	struct digest *d = ctx;

	if (!notice_tells(d->r, i, d->channel))
		return false;
	if (d->told++ == 0)
		d->first = i->id;
	d->last = i->id;
	if (d->told <= NOTICE_LIST_MAX)
		notice_write_incident(d->w, d->r, NULL, i);
	return false;
}

static int
put_message(struct digest *d, const char *facts)
{
	char key[NOTICE_KEY_MAX];
	const struct outbox_new m = {
		.key = key,
		.channel = d->channel,
		.kind = "digest",
		.site = d->site,
		.facts = facts,
	};

	(void)snprintf(key, sizeof(key), "digest/%s/%lld-%lld-%zu/%s", d->site, (long long)d->first,
	    (long long)d->last, d->told, d->channel);
	return outbox_put(d->r->db, &m, d->r->now_unix_ms, d->r->err);
}

static int
send_to(struct digest *d, const char *channel)
{
	const char *facts;
	struct jsonw w;
	size_t len;
	int rc;

	d->channel = channel;
	d->told = 0;
	d->w = &w;
	jsonw_init(&w, NOTICE_FACTS_MAX * 16);
	jsonw_object(&w, NULL);
	notice_write_site(&w, d->r, d->site);
	jsonw_array(&w, "incidents");
	rc = each_incident(d, write_one);
	jsonw_array_end(&w);
	jsonw_int(&w, "total", (int64_t)d->told);
	jsonw_object_end(&w);
	if (rc >= 0 && (facts = jsonw_text(&w, &len)) == NULL)
		rc = bl_fail(d->r->err, BL_EFULL, "digest of %s: too large", d->site);
	if (rc >= 0)
		rc = put_message(d, facts);
	jsonw_free(&w);
	return rc;
}

static int
note_all(struct digest *d)
{
	char detail[64];
	int rc = BL_OK;

	(void)snprintf(detail, sizeof(detail), "{\"incidents\":%zu}", d->n);
	for (size_t k = 0; k < d->n && rc >= 0; k++)
		rc = incident_note(
		    d->r->db, d->id[k], d->r->now_unix_ms, "digested", detail, d->r->err);
	return rc;
}

static int
send_digest(struct notice_run *r, const char *site)
{
	struct digest d = { .r = r, .site = site };
	int rc = load_items(&d);

	if (rc >= 0)
		rc = each_incident(&d, take_channels);
	for (size_t k = 0; k < d.n_channels && rc >= 0; k++)
		rc = send_to(&d, d.channels[k]);
	if (rc >= 0 && d.n_channels > 0)
		rc = note_all(&d);
	free(d.id);
	free(d.channels);
	if (rc < 0)
		return rc;
	return control_sql_run(r->db, r->err, "DELETE FROM digest_item WHERE site = ?", "t", site);
}

int
notice_digests(struct notice_run *r)
{
	struct due due = { .n = 0 };
	int rc = find_due(r, &due);

	for (size_t k = 0; k < due.n && rc >= 0; k++)
		rc = send_digest(r, due.site[k]);
	return rc < 0 ? rc : BL_OK;
}
