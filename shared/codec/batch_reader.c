/*
 * Reading a body: sections first, then columns, events and gaps one by one.
 * Every count is checked against the header; what is left over is corrupt.
 */
#include "codec_internal.h"

static int
corrupt(struct bl_err *err, const char *what)
{
	return bl_fail(err, BL_ECORRUPT, "batch body: %s", what);
}

/* The shared time columns: each is found here and decoded with its columns. */
static const char *
read_times(struct bl_batch_reader *b, struct bl_rd *rd)
{
	const uint64_t n = bl_rd_varint_max(rd, BL_BATCH_TIMES_MAX);
	struct bl_bits_r r = { rd->p, bl_rd_left(rd), 0, false };

	if (rd->failed)
		return "section TIMES has a bad count";
	for (uint64_t i = 0; i < n; i++) {
		const uint64_t times = bits_get_expg(&r, 3) + 1;

		b->time[i].n = (uint32_t)times;
		b->time[i].at = (uint32_t)r.pos;
		if (times > BL_BATCH_SAMPLES_MAX || !codec_times_end(&r, b->time[i].n))
			return "time column is ill-formed";
	}
	if (!bl_bits_at_end(&r))
		return "section TIMES is ill-formed";
	b->times = r.p;
	b->times_bytes = (uint32_t)r.bytes;
	b->n_times = (uint32_t)n;
	return NULL;
}

static const char *
read_columns_head(struct bl_batch_reader *r, struct bl_rd *rd)
{
	r->columns_left = (uint32_t)bl_rd_varint_max(rd, r->samples_left);
	if (rd->failed || r->columns_left == 0)
		return "section COLUMNS has a bad count";
	r->columns = rd->p;
	r->columns_bytes = (uint32_t)bl_rd_left(rd);
	return NULL;
}

static const char *
read_section(struct bl_batch_reader *r, uint64_t tag, struct bl_rd *content)
{
	switch (tag) {
	case SEC_TIMES:
		return read_times(r, content);
	case SEC_COLUMNS:
		return read_columns_head(r, content);
	case SEC_EVENTS:
		r->events = *content;
		return NULL;
	case SEC_GAPS:
		r->gaps = *content;
		return NULL;
	case SEC_THIN:
		return codec_thin_head(r, content);
	default:
		r->unknown_sections++;
		return NULL;
	}
}

int
bl_batch_reader_init(struct bl_batch_reader *r, const struct bl_batch_header *h, const void *raw,
    size_t len, struct bl_err *err)
{
	struct bl_rd rd, content;
	uint64_t tag, seen = 0;
	const char *bad;
	int rc;

	/* The table of time columns stays unset beyond n_times. */
	r->h = h;
	r->columns = r->times = NULL;
	r->columns_bytes = r->times_bytes = r->columns_at = 0;
	r->columns_left = 0;
	r->events_left = h->n_events;
	r->gaps_left = h->n_gaps;
	r->samples_left = h->n_samples;
	r->event_ms = 0;
	r->state = (struct bl_column_state){ .coding = CODEC_CODING_FIRST };
	r->n_times = 0;
	r->unknown_sections = 0;
	r->thin_left = r->thin_id = 0;
	bl_rd_init(&rd, raw, len);
	while ((rc = codec_get_section(&rd, &tag, &content)) > 0) {
		if (tag <= SEC_THIN) {
			if (tag == 0 || (seen >> tag & 1) != 0)
				return corrupt(err, "a section has tag 0 or comes twice");
			seen |= UINT64_C(1) << tag;
		}
		if ((bad = read_section(r, tag, &content)) != NULL)
			return corrupt(err, bad);
	}
	if (rc < 0)
		return corrupt(err, "a section is cut off");
	if ((seen >> SEC_COLUMNS & 1) != (h->n_samples > 0) ||
	    (seen >> SEC_TIMES & 1) > (seen >> SEC_COLUMNS & 1) ||
	    (seen >> SEC_THIN & 1) > (seen >> SEC_COLUMNS & 1) ||
	    (seen >> SEC_EVENTS & 1) != (h->n_events > 0) ||
	    (seen >> SEC_GAPS & 1) != (h->n_gaps > 0))
		return corrupt(err, "a section is missing or not announced by the header");
	return BL_OK;
}

static int
last_column(const struct bl_batch_reader *r, struct bl_err *err)
{
	const struct bl_bits_r bits = { r->columns, r->columns_bytes, r->columns_at, false };

	if (r->samples_left != 0 || !bl_bits_at_end(&bits))
		return corrupt(err, "columns and the header's count of samples differ");
	if (r->thin_left > 0)
		return corrupt(err, "section THIN names a series that has no column");
	return 0;
}

int
bl_batch_next_column(struct bl_batch_reader *r, struct bl_column *c, struct bl_err *err)
{
	struct bl_bits_r bits = { r->columns, r->columns_bytes, r->columns_at, false };
	const char *bad;

	if (r->columns_left == 0)
		return last_column(r, err);
	if ((bad = codec_column_get(r, &bits, c)) != NULL)
		return bl_fail(err, BL_ECORRUPT, "batch body: column after series %u: %s",
		    r->state.series_id, bad);
	r->columns_at = (uint32_t)bits.pos;
	if (c->n > r->samples_left || c->series_id > r->h->dict_version)
		return corrupt(err, "a column passes the header's counts");
	if ((bad = codec_thin_find(r, c)) != NULL)
		return corrupt(err, bad);
	r->samples_left -= c->n;
	r->columns_left--;
	return 1;
}

int
bl_batch_next_event(struct bl_batch_reader *r, struct bl_event *ev, struct bl_err *err)
{
	if (r->events_left == 0) {
		if (r->h->n_events > 0 && bl_rd_left(&r->events) != 0)
			return corrupt(err, "bytes behind the last event");
		return 0;
	}
	if (!codec_event_get(&r->events, ev, &r->event_ms))
		return corrupt(err, "event is ill-formed");
	if (ev->boot_ms < r->h->event_begin_ms || ev->boot_ms > r->h->event_end_ms)
		return corrupt(err, "event lies outside the header's range");
	r->events_left--;
	return 1;
}

int
bl_batch_next_gap(struct bl_batch_reader *r, struct bl_gap *gap, struct bl_err *err)
{
	if (r->gaps_left == 0) {
		if (r->h->n_gaps > 0 && bl_rd_left(&r->gaps) != 0)
			return corrupt(err, "bytes behind the last gap");
		return 0;
	}
	if (!codec_gap_get(&r->gaps, gap, &r->h->boot))
		return corrupt(err, "gap is ill-formed");
	r->gaps_left--;
	return 1;
}
