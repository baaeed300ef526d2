/*
 * What was set aside is tried again: one row after the other, by the writer.
 *
 * A row leaves the list in the transaction that stores what it was, so it is
 * there or stored, and a crash in between changes nothing.  One that is still
 * bad stays, with what is wrong with it now.
 */
#include <stdlib.h>
#include <string.h>

#include "store_internal.h"

void
store_aside_msg_free(struct store_aside_msg *a)
{
	free(a->payload);
	memset(a, 0, sizeof(*a));
}

int
store_aside_next(struct store *s, const struct store_aside_filter *f, int64_t after_id,
    struct store_aside_msg *out, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, SQL_ASIDE_NEXT, err, "iiit", after_id,
	    f->upto_id > 0 ? f->upto_id : INT64_MAX, (int64_t)f->reason, f->device);
	int rc = store_step(s, st, err);

	memset(out, 0, sizeof(*out));
	if (rc != 1)
		return rc;
	out->id = sqlite3_column_int64(st, 0);
	out->reason = (enum store_aside_reason)sqlite3_column_int(st, 2);
	store_column_text(st, 1, out->topic, sizeof(out->topic));
	out->len = (size_t)sqlite3_column_bytes(st, 3);
	if ((out->payload = malloc(out->len > 0 ? out->len : 1)) != NULL && out->len > 0)
		memcpy(out->payload, sqlite3_column_blob(st, 3), out->len);
	(void)sqlite3_reset(st);
	return out->payload != NULL ? 1 : bl_fail(err, BL_ENOMEM, "requeue: out of memory");
}

int
store_aside_last(struct store *s, int64_t *id, struct bl_err *err)
{
	sqlite3_stmt *st = store_bind(s, SQL_ASIDE_LAST, err, "");
	int rc = store_step(s, st, err);

	*id = 0;
	if (rc == 1) {
		*id = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	return rc < 0 ? rc : BL_OK;
}

void
store_decode_again(struct store *s, bool again)
{
	s->again = again;
}

int
store_aside_stays(struct store *s, int64_t id, enum store_aside_reason reason, const char *detail,
    struct bl_err *err)
{
	char text[256];

	store_printable(text, sizeof(text), detail);
	return store_run(
	    s, SQL_ASIDE_STAYS, err, "itii", (int64_t)reason, text, s->now_unix_ms, id);
}

int
store_aside_leaves(struct store *s, const struct store_aside_msg *a, bool taken, struct bl_err *err)
{
	const int rc = store_run(s, SQL_ASIDE_REMOVE, err, "i", a->id);

	if (rc < 0)
		return rc;
	s->total.aside_rows--;
	s->total.aside_bytes -= (int64_t)a->len;
	s->total.requeued += taken ? 1 : 0;
	return BL_OK;
}
