/*
 * Reports of the inlets on their way to the disk: rules that hold whatever the inlet speaks, the
 * share of the spool's queue that each inlet has, and the way back of the answer.
 *
 * The spool's token is the inlet's place in the table (upper 8 bits, from 1) and the report's place
 * among those under way.
 */
#include "agent_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_SHIFT 56

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

/* What the spool said of it. */
static int
said(int rc, struct bl_err *err)
{
	return rc >= 0 ? BL_OK
		       : bl_fail(err, rc,
			     rc == BL_EFULL    ? "too much waits for the disk already"
			     : rc == BL_EINVAL ? "it has too many attributes, or is too long"
					       : "out of memory");
}

static int
report_event(struct agent_inlet *x, const struct inlet_report *r, int64_t boot_ms, uint64_t token,
    struct bl_err *err)
{
	struct bl_event ev = r->ev;
	int rc;

	if ((rc = inlet_report_type(ev.type, err)) < 0)
		return rc;
	ev.id = r->id;
	ev.boot_ms = boot_ms;
	return said(spool_thread_event(x->agent->spool, &ev, token), err);
}

/* Its series' handle, by the intake that all reported values of this inlet have. */
static int32_t
metric_handle(struct agent_inlet *x, const struct inlet_report *r, struct bl_err *err)
{
	static const char *const why[INTAKE_REASONS] = {
		[INTAKE_BAD_NAME] =
		    "nothing of its name can stand in a metric's, or it is too long",
		[INTAKE_BAD_LABEL] = "it has too many labels, or one that is too long",
		[INTAKE_OWN_NAME] = "the agent has a metric of that name itself; give it another",
		[INTAKE_OTHER_KIND] = "the metric came with the other kind before (gauge, counter)",
		[INTAKE_TOO_MANY] = "there are too many series already",
		[INTAKE_BAD_VALUE] = "its value is no number",
		[INTAKE_NO_MEMORY] = "out of memory",
	};
	const struct intake_opts opts = {
		.source = x->row->source, .by_user = true, .sink = x->host.sink
	};
	const struct bl_series_def *def = &r->def;
	struct intake_name name = { .name = def->name,
		.unit = def->unit,
		.user = r->user,
		.kind = def->kind,
		.n_labels = def->n_labels };
	int32_t slot;
	int rc;

	if (x->metrics == NULL && (rc = intake_open(&x->metrics, &opts, err)) < 0)
		return rc;
	if (def->n_labels > BL_LABELS_MAX)
		return bl_fail(err, BL_EINVAL, "%s", why[INTAKE_BAD_LABEL]);
	memcpy(name.label, def->label, def->n_labels * sizeof(name.label[0]));
	if ((slot = intake_series(x->metrics, &name)) >= 0)
		return intake_handle(x->metrics, slot);
	if (-1 - slot == INTAKE_NO_MEMORY)
		return bl_fail(err, BL_ENOMEM, "%s", why[-1 - slot]);
	/* The code beside the rule's tells a cap from a mistake. */
	(void)bl_fail(err, -1 - slot == INTAKE_TOO_MANY ? BL_EFULL : BL_EINVAL, "%s",
	    intake_share_used(x->metrics, r->user) ? "this user has as many series as one may have"
						   : why[-1 - slot]);
	return BL_EINVAL;
}

static int
report_metric(struct agent_inlet *x, const struct inlet_report *r, struct agent_report *p,
    uint64_t token, struct bl_err *err)
{
	struct spool_thread_report value = {
		.boot_ms = p->boot_ms, .value = r->value, .id = r->id
	};

	if ((value.handle = metric_handle(x, r, err)) < 0)
		return value.handle;
	p->handle = value.handle;
	p->value = r->value;
	if (!isfinite(r->value) || r->id.len > BL_EVENT_ID_MAX)
		return bl_fail(err, BL_EINVAL, "its value is no finite number, or its id too long");
	return said(spool_thread_report(x->agent->spool, &value, token), err);
}

int
agent_inlet_report(void *ctx, const struct inlet_report *r, uint64_t token, struct bl_err *err)
{
	struct agent_inlet *x = ctx;
	const size_t bytes = text_bytes(r);
	struct agent_report *p;
	uint64_t own;
	int64_t boot_ms;
	int rc;

	if (x->agent->spool == NULL) /* last answers are given, and nothing new is taken */
		return bl_fail(err, BL_EFULL, "the agent ends");
	if ((rc = inlet_report_place(r, x->agent->clock, &boot_ms, err)) < 0)
		return rc;
	if ((p = take_place(x, bytes, err)) == NULL)
		return err != NULL ? err->code : BL_EFULL;
	own = token_of(x->agent, x, p);
	*p = (struct agent_report){ .opening = x->opening,
		.bytes = (uint32_t)bytes,
		.token = token,
		.handle = -1,
		.boot_ms = boot_ms };
	rc = r->kind == INLET_METRIC ? report_metric(x, r, p, own, err)
				     : report_event(x, r, boot_ms, own, err);
	if (rc < 0)
		return rc;
	p->used = true;
	x->n_way++;
	x->way_bytes += (uint32_t)bytes;
	return BL_OK;
}

/* It is among the current values of this machine. */
static void
show(struct agent *a, const struct agent_report *p)
{
	const struct spool_thread_sample sample = { .handle = p->handle, .value = p->value };

	current_put(a->current, p->boot_ms, &sample, 1);
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
	if (rc == SPOOL_ACCEPTED && p.handle >= 0)
		show(a, &p);
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
