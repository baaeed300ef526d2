/*
 * Reports of the inlets on their way to the disk: rules that hold whatever the inlet speaks, the
 * share of the spool's queue that each inlet has, and the way back of the answer.
 *
 * The spool's token is the inlet's place in the table (upper 8 bits, from 1) and the report's place
 * among those under way.
 */
#include "agent_internal.h"

#include <stdlib.h>
#include <string.h>

#define TOKEN_SHIFT 56

/* ---- rules ---- */

/* What the agent says itself begins so. */
static const char *const own_types[] = { "agent.", "config.", "probe.", "clock.", "spool.", "link.",
	"disk.", "ledger." };
static const char *const step_types[] = { "step.begin", "step.end", "step.event" };

static bool
begins(struct bl_str s, const char *with)
{
	return s.len >= strlen(with) && memcmp(s.p, with, strlen(with)) == 0;
}

static bool
is(struct bl_str s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

static int
check_type(struct bl_str type, struct bl_err *err)
{
	if (type.len == 0 || type.len > BL_NAME_MAX || !bl_wire_utf8(type.p, type.len))
		return bl_fail(err, BL_EINVAL,
		    "the type of an event: expected UTF-8 text of 1 to %u bytes", BL_NAME_MAX);
	for (size_t i = 0; i < sizeof(own_types) / sizeof(own_types[0]); i++)
		if (begins(type, own_types[i]))
			return bl_fail(err, BL_EINVAL,
			    "the type of an event: types that begin with \"%s\" are the agent's "
			    "own",
			    own_types[i]);
	for (size_t i = 0; i < sizeof(step_types) / sizeof(step_types[0]); i++)
		if (is(type, step_types[i]))
			return BL_OK;
	if (begins(type, "step."))
		return bl_fail(err, BL_EINVAL,
		    "the type of an event: of those that begin with \"step.\" there are begin, end "
		    "and event alone");
	return BL_OK;
}

/* When it was in boot time; 0: now. */
static int
place_in_time(const struct agent *a, int64_t at_unix_ms, int64_t *boot_ms, struct bl_err *err)
{
	const int64_t now = bl_unix_ms(a->clock);

	*boot_ms = 0;
	if (at_unix_ms == 0)
		return BL_OK;
	if (at_unix_ms > now + AGENT_REPORT_AHEAD_MS || at_unix_ms < now - AGENT_REPORT_BACK_MS)
		return bl_fail(err, BL_EINVAL,
		    "its time: expected one of the last 7 days, and not more than a minute ahead "
		    "of "
		    "this machine's clock");
	*boot_ms = bl_boot_ms(a->clock) - (now - at_unix_ms);
	if (*boot_ms == 0)
		*boot_ms = -1; /* 0 would be now */
	return BL_OK;
}

/* ---- what may be under way ---- */

static size_t
text_bytes(const struct inlet_report *r)
{
	size_t n = r->id.len + 64;

	if (r->kind == INLET_METRIC)
		return n;
	n += r->ev.type.len;
	for (uint32_t i = 0; i < r->ev.n_attrs; i++)
		n += r->ev.attr[i].key.len +
		     (r->ev.attr[i].type == BL_ATTR_TEXT ? r->ev.attr[i].text.len : 0);
	return n;
}

/* A place for one of so many bytes; NULL: the inlet's share is used up. */
static struct agent_report *
take_place(struct agent_inlet *x, size_t bytes, struct bl_err *err)
{
	const struct agent_inlet_row *row = x->row;

	if (x->way == NULL && row->reports > 0 &&
	    (x->way = calloc(row->reports, sizeof(*x->way))) == NULL) {
		(void)bl_fail(err, BL_ENOMEM, "out of memory");
		return NULL;
	}
	/* One that is longer than the share goes alone. */
	if (x->n_way == row->reports || (x->n_way > 0 && bytes + x->way_bytes > row->bytes)) {
		(void)bl_fail(err, BL_EFULL, "too much waits for the disk already");
		return NULL;
	}
	for (unsigned k = 0; k < row->reports; k++)
		if (!x->way[k].used)
			return &x->way[k];
	return NULL; /* n_way says that there is one */
}

static uint64_t
token_of(const struct agent *a, const struct agent_inlet *x, const struct agent_report *p)
{
	return (uint64_t)(x - a->inlet + 1) << TOKEN_SHIFT | (uint64_t)(p - x->way);
}

static int
report_event(
    struct agent_inlet *x, const struct inlet_report *r, uint64_t token, struct bl_err *err)
{
	struct bl_event ev = r->ev;
	int rc;

	if ((rc = check_type(ev.type, err)) < 0 ||
	    (rc = place_in_time(x->agent, r->at_unix_ms, &ev.boot_ms, err)) < 0)
		return rc;
	ev.id = r->id;
	if ((rc = spool_thread_event(x->agent->spool, &ev, token)) < 0)
		return bl_fail(err, rc,
		    rc == BL_EFULL    ? "too much waits for the disk already"
		    : rc == BL_EINVAL ? "it has too many attributes, or is too long"
				      : "out of memory");
	return BL_OK;
}

int
agent_inlet_report(void *ctx, const struct inlet_report *r, uint64_t token, struct bl_err *err)
{
	struct agent_inlet *x = ctx;
	const size_t bytes = text_bytes(r);
	struct agent_report *p;
	int rc;

	if (r->kind != INLET_EVENT)
		return bl_fail(err, BL_EUNSUPPORTED, "values of metrics are not taken");
	if ((p = take_place(x, bytes, err)) == NULL)
		return err != NULL ? err->code : BL_EFULL;
	if ((rc = report_event(x, r, token_of(x->agent, x, p), err)) < 0)
		return rc;
	*p = (struct agent_report){
		.used = true, .opening = x->opening, .bytes = (uint32_t)bytes, .token = token
	};
	x->n_way++;
	x->way_bytes += (uint32_t)bytes;
	return BL_OK;
}

void
agent_inlets_done(struct agent *a, uint64_t token, int rc)
{
	const unsigned i = (unsigned)(token >> TOKEN_SHIFT) - 1;
	const uint64_t at = token & ((UINT64_C(1) << TOKEN_SHIFT) - 1);
	struct agent_inlet *x;
	struct agent_report p;

	if (i >= agent_inlets_n())
		return;
	x = &a->inlet[i];
	if (x->way == NULL || at >= x->row->reports || !x->way[at].used)
		return;
	p = x->way[at];
	x->way[at].used = false;
	x->n_way--;
	x->way_bytes -= p.bytes;
	if (x->in != NULL && p.opening == x->opening && x->row->ops->done != NULL)
		x->row->ops->done(x->in, p.token, rc);
}

void
agent_inlet_reports_free(struct agent_inlet *x)
{
	free(x->way);
	x->way = NULL;
	intake_close(x->metrics);
	x->metrics = NULL;
}
