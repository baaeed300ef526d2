/*
 * Hours that a stream has delivered from end to end, as a reader has seen it: what is asked
 * again and again (a chart's last day) needs no row of coverage for them.
 *
 * Coverage only grows: rows are added and lengthened, none is taken away, and one
 * that is placed elsewhere leaves its mark in table moved.  So an hour that was whole
 * stays whole until something was moved, and then everything is forgotten.  The newest
 * mark is looked up before the rows are, so that what is noted is never newer than it.
 *
 * A reader's own: WHOLE_STREAMS streams of the newest WHOLE_HOURS hours, 56 KiB.
 */
#include <stdlib.h>
#include <string.h>

#include "store_read_internal.h"

#define WHOLE_STREAMS 1024u
#define WHOLE_HOURS   256 /* ten days */

struct whole_stream {
	int64_t device_id; /* 0: nobody's */
	enum bl_stream stream;
	int64_t newest; /* hours since 1970; those up to WHOLE_HOURS - 1 before it have a bit */
	uint64_t bit[WHOLE_HOURS / 64];
};

struct whole {
	int64_t moved; /* the mark of which all this holds */
	struct whole_stream s[WHOLE_STREAMS];
};

static struct whole_stream *
slot_of(struct whole *w, int64_t device_id, enum bl_stream stream)
{
	return &w->s[((uint64_t)device_id * BL_STREAMS + (uint64_t)stream) % WHOLE_STREAMS];
}

static int64_t
hour_number(int64_t unix_ms)
{
	return store_hour(unix_ms) / STORE_HOUR_MS;
}

static uint64_t *
word_of(struct whole_stream *s, int64_t hour)
{
	return &s->bit[(uint64_t)hour % WHOLE_HOURS / 64];
}

static uint64_t
bit_of(int64_t hour)
{
	return UINT64_C(1) << ((uint64_t)hour % 64);
}

void
whole_free(struct store_read *r)
{
	free(r->whole);
	r->whole = NULL;
}

int
whole_begin(struct store_read *r, struct bl_err *err)
{
	sqlite3_stmt *st = read_bind(r, READ_MOVED_MARK, err, "");
	int64_t moved = 0;
	const int rc = read_step(r, st, err);

	if (rc < 0)
		return rc;
	if (rc == 1) {
		moved = sqlite3_column_int64(st, 0);
		(void)sqlite3_reset(st);
	}
	if (r->whole != NULL && r->whole->moved == moved)
		return BL_OK;
	whole_free(r);
	if ((r->whole = calloc(1, sizeof(*r->whole))) == NULL)
		return bl_fail(err, BL_ENOMEM, "read telemetry store: out of memory");
	r->whole->moved = moved;
	return BL_OK;
}

static bool
is_whole(struct whole_stream *s, int64_t hour)
{
	return hour <= s->newest && hour > s->newest - WHOLE_HOURS &&
	       (*word_of(s, hour) & bit_of(hour)) != 0;
}

bool
whole_next(struct store_read *r, int64_t device_id, enum bl_stream stream, int64_t from, int64_t to,
    int64_t *begin, int64_t *end)
{
	struct whole_stream *s = slot_of(r->whole, device_id, stream);
	int64_t hour = hour_number(from), last;

	if (s->device_id != device_id || s->stream != stream)
		return false;
	if (hour <= s->newest - WHOLE_HOURS)
		hour = s->newest - WHOLE_HOURS + 1;
	while (hour <= s->newest && !is_whole(s, hour))
		hour++;
	for (last = hour; is_whole(s, last);)
		last++;
	*begin = hour * STORE_HOUR_MS > from ? hour * STORE_HOUR_MS : from;
	*end = last * STORE_HOUR_MS < to ? last * STORE_HOUR_MS : to;
	return *begin < *end;
}

static void
note_hour(struct whole_stream *s, int64_t hour)
{
	if (hour <= s->newest - WHOLE_HOURS)
		return;
	if (hour >= s->newest + WHOLE_HOURS)
		memset(s->bit, 0, sizeof(s->bit));
	else
		for (int64_t h = s->newest + 1; h <= hour; h++)
			*word_of(s, h) &= ~bit_of(h);
	s->newest = hour > s->newest ? hour : s->newest;
	*word_of(s, hour) |= bit_of(hour);
}

void
whole_note(
    struct store_read *r, int64_t device_id, enum bl_stream stream, int64_t begin, int64_t end)
{
	struct whole_stream *s = slot_of(r->whole, device_id, stream);
	const int64_t first = hour_number(begin - 1) + 1, behind = hour_number(end);

	if (first >= behind)
		return;
	if (s->device_id != device_id || s->stream != stream)
		*s = (struct whole_stream){
			.device_id = device_id, .stream = stream, .newest = first
		};
	for (int64_t hour = first; hour < behind; hour++)
		note_hour(s, hour);
}
