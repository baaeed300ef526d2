/*
 * Which messages are tried next.
 *
 * Channels take turns, and one that failed rests: however many messages wait for a dead
 * receiver, those for the others go out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_sql.h"
#include "deliver_internal.h"

static struct deliver_rest *
find(struct deliver_rests *r, const char *channel)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->rest[i].channel, channel) == 0)
			return &r->rest[i];
	return NULL;
}

unsigned
deliver_failures(struct deliver_rests *r, const char *channel)
{
	const struct deliver_rest *x = find(r, channel);

	return x != NULL ? x->failures : 0;
}

void
deliver_failed(struct deliver_rests *r, const char *channel, int64_t until_unix_ms)
{
	struct deliver_rest *x = find(r, channel);

	if (x == NULL && r->n < DEFINE_MAX) {
		x = &r->rest[r->n++];
		(void)snprintf(x->channel, sizeof(x->channel), "%s", channel);
		x->failures = 0;
	}
	if (x == NULL)
		return; /* no more channels than that can be defined */
	x->until_unix_ms = until_unix_ms;
	x->failures++;
}

void
deliver_worked(struct deliver_rests *r, const char *channel)
{
	struct deliver_rest *x = find(r, channel);

	if (x != NULL)
		*x = r->rest[--r->n];
}

/* A clock that was set back must not make a rest longer than it can be. */
static bool
rests(struct deliver_rests *r, const char *channel, int64_t now_unix_ms)
{
	const struct deliver_rest *x = find(r, channel);

	return x != NULL && now_unix_ms < x->until_unix_ms &&
	       x->until_unix_ms - now_unix_ms <= DELIVER_REST_MAX_MS;
}

static int
take_row(struct deliver_row *r, sqlite3_stmt *st, struct bl_err *err)
{
	*r = (struct deliver_row){ .id = sqlite3_column_int64(st, 0),
		.created_unix_ms = sqlite3_column_int64(st, 1),
		.tries = sqlite3_column_int64(st, 2),
		.key = strdup((const char *)sqlite3_column_text(st, 5)),
		.facts = strdup((const char *)sqlite3_column_text(st, 6)) };
	control_sql_text(st, 3, r->channel, sizeof(r->channel));
	control_sql_text(st, 4, r->kind, sizeof(r->kind));
	if (r->key == NULL || r->facts == NULL)
		return bl_fail(err, BL_ENOMEM, "read the outbox: out of memory");
	return BL_OK;
}

int
deliver_due(struct deliver_row *rows, size_t *n, sqlite3 *db, struct deliver_rests *rest,
    int64_t now_unix_ms, struct bl_err *err)
{
	/* One of each channel, then the second of each: somebody's test first (a person waits),
	 * then what was tried least, so that a message that is never taken stands behind the
	 * others. */
	static const char sql[] =
	    "WITH due AS (SELECT id, due_unix_ms, row_number() OVER (PARTITION BY channel ORDER BY"
	    " kind = 'test' AND tries = 0 DESC, tries, due_unix_ms, id) AS k FROM outbox"
	    " WHERE state = 'waiting' AND due_unix_ms <= ?1)"
	    " SELECT o.id, o.created_unix_ms, o.tries, o.channel, o.kind, o.key, o.facts"
	    " FROM due AS d JOIN outbox AS o ON o.id = d.id WHERE d.k <= ?2"
	    " ORDER BY d.k, d.due_unix_ms, d.id";
	sqlite3_stmt *st;
	int rc;

	*n = 0;
	rc = control_sql_prepare(&st, db, err, sql, "ii", now_unix_ms, (int64_t)DELIVER_BATCH);
	if (rc < 0)
		return rc;
	while (*n < DELIVER_BATCH && (rc = control_sql_step(st, err)) == 1) {
		const char *channel = (const char *)sqlite3_column_text(st, 3);
		const bool trial = strcmp((const char *)sqlite3_column_text(st, 4), "test") == 0 &&
				   sqlite3_column_int64(st, 2) == 0;

		if (!trial && rests(rest, channel, now_unix_ms))
			continue;
		rc = take_row(&rows[(*n)++], st, err);
		if (rc < 0)
			break;
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 ? rc : BL_OK;
}

void
deliver_rows_free(struct deliver_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(rows[i].key);
		free(rows[i].facts);
	}
}
