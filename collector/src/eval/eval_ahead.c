/*
 * What the store has beyond the place that was reached.
 *
 * Coverage is read from the store as it is now; cases know what has been taken
 * in.  While a device's events lie between the two, coverage says more than the
 * cases know: a case whose end is among them would look open.  Asked after
 * coverage was read, so that what is stored in between is seen.
 */
#include "eval_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
is_ahead(const struct eval_ahead *a, const char *device)
{
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->device[i], device) == 0)
			return true;
	return a->all;
}

static void
add(struct eval_ahead *a, const char *device, enum bl_stream stream)
{
	if (stream != BL_STREAM_EVENTS || is_ahead(a, device))
		return;
	if (a->device == NULL)
		a->device = malloc(EVAL_AHEAD_MAX * sizeof(*a->device));
	if (a->device == NULL || a->n == EVAL_AHEAD_MAX)
		a->all = true; /* nothing is said that may not be so */
	else
		(void)snprintf(a->device[a->n++], sizeof(*a->device), "%s", device);
}

static bool
add_batch(void *ctx, const struct store_log_batch *b)
{
	struct eval_ahead *a = ctx;

	add(a, b->device, b->stream);
	a->batch_id = b->id;
	return true;
}

static bool
add_moved(void *ctx, const struct store_log_moved *m)
{
	struct eval_ahead *a = ctx;

	add(a, m->device, m->stream);
	a->moved_id = m->id;
	return true;
}

static int
look_from(struct eval_tx *tx, struct eval_ahead *a, struct bl_err *err)
{
	int rc;

	if (a->looked)
		return BL_OK;
	if ((rc = control_sql_int(tx->db, err, 0, &a->batch_id, "SELECT batch_id FROM eval", "")) <
		0 ||
	    (rc = control_sql_int(tx->db, err, 0, &a->moved_id, "SELECT moved_id FROM eval", "")) <
		0)
		return rc;
	a->looked = true;
	return BL_OK;
}

/* Adds what has come since the last look. */
static int
look(struct eval_tx *tx, struct eval_ahead *a, struct bl_err *err)
{
	struct store_read *t = tx->e->telemetry;
	struct store_log_head head;
	int rc;

	if ((rc = look_from(tx, a, err)) < 0 || (rc = store_log_head(t, &head, err)) < 0)
		return rc;
	if (head.batch_id > a->batch_id &&
	    (rc = store_log_batches(t, a->batch_id, EVAL_LOG_BATCHES, add_batch, a, err)) < 0)
		return rc;
	if (head.moved_id > a->moved_id &&
	    (rc = store_log_moved(t, a->moved_id, EVAL_LOG_MOVED, add_moved, NULL, a, err)) < 0)
		return rc;
	/* Too much to list: whose it is shows when some of it has been taken. */
	a->all = a->all || head.batch_id > a->batch_id || head.moved_id > a->moved_id;
	return BL_OK;
}

static bool
is_placed(void *ctx, const struct store_log_batch *b)
{
	*(bool *)ctx = b->begin_unix_ms != STORE_TIME_NONE && !b->dict_missing;
	return false;
}

/* One that waited for its clock: it is covered from then on, and taken a little later. */
static int
waited(struct eval_tx *tx, const char *device, bool *out, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	rc = control_sql_prepare(&st, tx->db, err,
	    "SELECT batch_id FROM eval_waiting WHERE device = ? LIMIT 64", "t", device);
	if (rc < 0)
		return rc;
	while (!*out && (rc = control_sql_step(st, err)) == 1) {
		rc = store_log_batch(
		    tx->e->telemetry, sqlite3_column_int64(st, 0), is_placed, out, err);
		if (rc < 0 && rc != BL_ENOTFOUND) /* superseded meanwhile */
			break;
	}
	(void)sqlite3_finalize(st); /* repeats the failure of the step */
	return rc < 0 && rc != BL_ENOTFOUND ? rc : BL_OK;
}

int
eval_untaken(void *ctx, const char *device, bool *out, struct bl_err *err)
{
	struct eval_tx *tx = ctx;
	int rc;

	if ((rc = look(tx, &tx->ahead, err)) < 0)
		return rc;
	*out = is_ahead(&tx->ahead, device);
	return *out ? BL_OK : waited(tx, device, out, err);
}

void
eval_ahead_free(struct eval_ahead *a)
{
	free(a->device);
	a->device = NULL;
}
