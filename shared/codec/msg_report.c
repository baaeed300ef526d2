/* The device report: one function a section each way, in the order of WIRE.md. */
#include "codec_internal.h"

#include <string.h>

#include "branchline/report.h"

#define CONTENT_MAX 1024u /* of one section here */

enum {
	REPORT_STATE = 1,
	REPORT_BACKLOG = 2,
	REPORT_CLOCK = 3,
	REPORT_LINK = 4,
	REPORT_USAGE = 5,
	REPORT_BUDGET = 6,
	REPORT_SAMPLING = 7,
};

#define CLOCK_WALL_USABLE  1u
#define CLOCK_FLOOR_LIFTED 2u
#define HELD_ALL           7u /* a bit a stream */
#define SAMPLING_SAFE_MODE 1u

/* ---- what may be said ---- */

static bool
months_ok(const struct bl_report *r)
{
	if (r->n_months > BL_REPORT_MONTHS_MAX)
		return false;
	for (uint32_t i = 1; i < r->n_months; i++)
		if (r->month[i].month <= r->month[i - 1].month)
			return false;
	return true;
}

static bool
link_ok(const struct bl_report_link *l)
{
	const size_t len = strnlen(l->local_address, sizeof(l->local_address));

	return l->transport <= BL_TRANSPORT_WEBSOCKET && len <= BL_REPORT_ADDRESS_MAX &&
	       codec_utf8(l->local_address, len);
}

static bool
report_ok(const struct bl_report *r)
{
	return codec_ms_ok(r->boot_ms) && r->clock.source <= BL_CLOCK_CENTRE && link_ok(&r->link) &&
	       months_ok(r) && r->budget.held <= HELD_ALL;
}

/* ---- writing ---- */

static void
put_backlog(struct bl_buf *out, struct bl_buf *c, const struct bl_report_backlog *b, int stream)
{
	bl_buf_reset(c);
	bl_buf_u8(c, (uint8_t)stream);
	bl_buf_varint(c, b->batches);
	bl_buf_varint(c, b->bytes);
	bl_buf_varint(c, b->samples);
	bl_buf_varint(c, b->age_ms);
	codec_put_section(out, REPORT_BACKLOG, c);
}

static void
put_clock(struct bl_buf *out, struct bl_buf *c, const struct bl_report_clock *k)
{
	bl_buf_reset(c);
	bl_buf_u8(c, (uint8_t)k->source);
	bl_buf_zigzag(c, k->wall_minus_map_ms);
	bl_buf_varint(c, k->uncertainty_ms);
	bl_buf_u8(c, (uint8_t)((k->wall_usable ? CLOCK_WALL_USABLE : 0) |
			       (k->floor_lifted ? CLOCK_FLOOR_LIFTED : 0)));
	bl_buf_zigzag(c, k->drift_ppb);
	bl_buf_varint(c, k->steps);
	codec_put_section(out, REPORT_CLOCK, c);
}

static void
put_link(struct bl_buf *out, struct bl_buf *c, const struct bl_report_link *l)
{
	bl_buf_reset(c);
	bl_buf_u8(c, (uint8_t)l->transport);
	bl_buf_u8(c, l->via_proxy);
	bl_buf_str(c, l->local_address);
	bl_buf_varint(c, l->max_packet_bytes);
	bl_buf_varint(c, l->connections);
	bl_buf_varint(c, l->rtt_ms);
	bl_buf_varint(c, l->rate_bytes_per_s);
	codec_put_section(out, REPORT_LINK, c);
}

static void
put_usage(struct bl_buf *out, struct bl_buf *c, const struct bl_report *r)
{
	bl_buf_reset(c);
	bl_buf_varint(c, r->n_months);
	for (uint32_t i = 0; i < r->n_months; i++) {
		const struct bl_report_month *m = &r->month[i];

		bl_buf_varint(c, m->month);
		bl_buf_varint(c, m->in_bytes);
		bl_buf_varint(c, m->out_bytes);
		for (int s = 0; s < BL_STREAMS; s++)
			bl_buf_varint(c, m->class_bytes[s]);
		bl_buf_varint(c, m->other_bytes);
	}
	codec_put_section(out, REPORT_USAGE, c);
}

static void
put_budget(struct bl_buf *out, struct bl_buf *c, const struct bl_report_budget *b)
{
	bl_buf_reset(c);
	bl_buf_varint(c, b->bytes_per_hour);
	bl_buf_varint(c, b->used_bytes);
	bl_buf_u8(c, b->held);
	bl_buf_varint(c, b->opens_in_ms);
	codec_put_section(out, REPORT_BUDGET, c);
}

static void
put_sampling(struct bl_buf *out, struct bl_buf *c, const struct bl_report_sampling *s)
{
	bl_buf_reset(c);
	bl_buf_u8(c, s->safe_mode ? SAMPLING_SAFE_MODE : 0);
	bl_buf_varint(c, s->whole_in_ms);
	bl_buf_varint(c, s->series_refused);
	bl_buf_varint(c, s->samples_refused);
	bl_buf_varint(c, s->results_dropped);
	codec_put_section(out, REPORT_SAMPLING, c);
}

static void
put_report(const struct bl_report *r, struct bl_buf *out, struct bl_buf *c)
{
	codec_put_id(c, &r->spool);
	codec_put_id(c, &r->boot);
	bl_buf_zigzag(c, r->boot_ms);
	codec_put_section(out, REPORT_STATE, c);
	for (int i = 0; i < BL_STREAMS; i++)
		if (r->backlog[i].has)
			put_backlog(out, c, &r->backlog[i], i + 1);
	if (r->clock.has)
		put_clock(out, c, &r->clock);
	if (r->link.has)
		put_link(out, c, &r->link);
	if (r->n_months > 0)
		put_usage(out, c, r);
	if (r->budget.has)
		put_budget(out, c, &r->budget);
	if (r->sampling.has)
		put_sampling(out, c, &r->sampling);
}

int
bl_report_encode(const struct bl_report *r, struct bl_buf *out)
{
	const size_t len0 = out->len;
	const bool failed0 = out->failed;
	struct bl_buf content;

	if (!report_ok(r))
		return BL_EINVAL;
	bl_buf_init(&content, CONTENT_MAX);
	codec_put_prefix(out, BL_MSG_REPORT);
	put_report(r, out, &content);
	bl_buf_free(&content);
	return codec_finish(out, len0, failed0);
}

/* ---- reading ---- */

static void
get_state(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_report *r = out;

	(void)stream;
	codec_get_id(rd, &r->spool);
	codec_get_id(rd, &r->boot);
	r->boot_ms = bl_rd_zigzag(rd);
	if (!codec_ms_ok(r->boot_ms))
		rd->failed = true;
}

static void
get_backlog(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_report_backlog *b = &((struct bl_report *)out)->backlog[stream - 1];

	b->has = true;
	b->batches = bl_rd_varint(rd);
	b->bytes = bl_rd_varint(rd);
	b->samples = bl_rd_varint(rd);
	b->age_ms = bl_rd_varint(rd);
}

static void
get_clock(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_report_clock *k = &((struct bl_report *)out)->clock;
	uint8_t flags;

	(void)stream;
	k->has = true;
	k->source = (enum bl_clock_source)bl_rd_u8(rd);
	k->wall_minus_map_ms = bl_rd_zigzag(rd);
	k->uncertainty_ms = bl_rd_varint(rd);
	flags = bl_rd_u8(rd);
	k->wall_usable = (flags & CLOCK_WALL_USABLE) != 0;
	k->floor_lifted = (flags & CLOCK_FLOOR_LIFTED) != 0;
	k->drift_ppb = bl_rd_zigzag(rd);
	k->steps = bl_rd_varint(rd);
	if (k->source > BL_CLOCK_CENTRE || flags > (CLOCK_WALL_USABLE | CLOCK_FLOOR_LIFTED))
		rd->failed = true;
}

static void
get_link(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_report_link *l = &((struct bl_report *)out)->link;
	uint8_t proxy;

	(void)stream;
	l->has = true;
	l->transport = (enum bl_transport)bl_rd_u8(rd);
	proxy = bl_rd_u8(rd);
	l->via_proxy = proxy == 1;
	codec_get_cstr(rd, l->local_address, sizeof(l->local_address));
	l->max_packet_bytes = bl_rd_varint(rd);
	l->connections = bl_rd_varint(rd);
	l->rtt_ms = bl_rd_varint(rd);
	l->rate_bytes_per_s = bl_rd_varint(rd);
	if (l->transport > BL_TRANSPORT_WEBSOCKET || proxy > 1)
		rd->failed = true;
}

static void
get_usage(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_report *r = out;

	(void)stream;
	r->n_months = (uint32_t)bl_rd_varint_max(rd, BL_REPORT_MONTHS_MAX);
	for (uint32_t i = 0; i < r->n_months && !rd->failed; i++) {
		struct bl_report_month *m = &r->month[i];

		m->month = (uint32_t)bl_rd_varint_max(rd, UINT32_MAX);
		m->in_bytes = bl_rd_varint(rd);
		m->out_bytes = bl_rd_varint(rd);
		for (int s = 0; s < BL_STREAMS; s++)
			m->class_bytes[s] = bl_rd_varint(rd);
		m->other_bytes = bl_rd_varint(rd);
	}
	if (r->n_months == 0 || !months_ok(r))
		rd->failed = true;
}

static void
get_budget(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_report_budget *b = &((struct bl_report *)out)->budget;

	(void)stream;
	b->has = true;
	b->bytes_per_hour = bl_rd_varint(rd);
	b->used_bytes = bl_rd_varint(rd);
	b->held = bl_rd_u8(rd);
	b->opens_in_ms = bl_rd_varint(rd);
	if (b->held > HELD_ALL)
		rd->failed = true;
}

static void
get_sampling(struct bl_rd *rd, void *out, unsigned stream)
{
	struct bl_report_sampling *s = &((struct bl_report *)out)->sampling;
	uint8_t flags;

	(void)stream;
	s->has = true;
	flags = bl_rd_u8(rd);
	s->safe_mode = (flags & SAMPLING_SAFE_MODE) != 0;
	s->whole_in_ms = bl_rd_varint(rd);
	s->series_refused = bl_rd_varint(rd);
	s->samples_refused = bl_rd_varint(rd);
	s->results_dropped = bl_rd_varint(rd);
	if (flags > SAMPLING_SAFE_MODE)
		rd->failed = true;
}

int
bl_report_decode(const void *msg, size_t len, struct bl_report *r, struct bl_err *err)
{
	static const struct codec_section known[] = {
		{ REPORT_STATE, true, false, "state", get_state },
		{ REPORT_BACKLOG, false, true, "backlog", get_backlog },
		{ REPORT_CLOCK, false, false, "clock", get_clock },
		{ REPORT_LINK, false, false, "link", get_link },
		{ REPORT_USAGE, false, false, "usage", get_usage },
		{ REPORT_BUDGET, false, false, "budget", get_budget },
		{ REPORT_SAMPLING, false, false, "sampling", get_sampling },
		{ 0, false, false, NULL, NULL },
	};

	*r = (struct bl_report){ 0 };
	return codec_get_message(
	    msg, len, BL_MSG_REPORT, "report", known, r, &r->unknown_sections, err);
}
