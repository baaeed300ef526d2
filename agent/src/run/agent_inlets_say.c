/* What the inlets took, refused and lost: in the status, and as series of the agent's own. */
#include "agent_internal.h"

#include <string.h>

/* ---- status ---- */

static const char *
state_of(const struct agent *a, const struct agent_inlet *x)
{
	return x->in != NULL                     ? "open"
	       : x->problem[0] != '\0'           ? "failed"
	       : a->safe.active && !x->row->safe ? "safe_mode"
						 : "off";
}

/* Why it is not open, or what is wrong although it is. */
static json_t *
problem_json(const struct agent_inlet *x)
{
	char text[1024]; /* some inlets have several that are wrong */

	(void)snprintf(text, sizeof(text), "%s", x->problem);
	if (x->in != NULL && x->row->ops->problem != NULL)
		x->row->ops->problem(x->in, text, sizeof(text));
	/* The name of a file that is no text, or was cut within a character. */
	for (char *at = text; !bl_wire_utf8(text, strlen(text)) && *at != '\0'; at++)
		if ((unsigned char)*at >= 0x80)
			*at = '?';
	return agent_text_or_null(text);
}

static json_t *
inlet_json(const struct agent *a, unsigned i)
{
	const struct agent_inlet *x = &a->inlet[i];
	json_t *counts[2] = { json_object(), json_object() }; /* taken, refused */
	struct inlet_count c[INLET_COUNTS_MAX];
	const unsigned n = agent_inlet_count(a, i, c);
	const uint64_t waiting =
	    x->in != NULL && x->row->ops->waiting != NULL ? x->row->ops->waiting(x->in) : 0;

	for (unsigned k = 0; k < n; k++)
		(void)json_object_set_new(
		    counts[c[k].refused], c[k].name, json_integer((json_int_t)c[k].n));
	return json_pack("{s:s,s:o,s:i,s:I,s:I,s:I,s:o,s:o}", "state", state_of(a, x), "problem",
	    problem_json(x), "under_way", (int)x->n_way, "waiting", (json_int_t)waiting, "lost",
	    (json_int_t)x->lost, "longest_turn_ms", (json_int_t)x->longest_ms, "counts", counts[0],
	    "refused", counts[1]);
}

json_t *
agent_inlets_json(const struct agent *a)
{
	json_t *all = json_object();

	for (unsigned i = 0; i < agent_inlets_n(); i++)
		(void)json_object_set_new(all, a->inlet[i].row->ops->name, inlet_json(a, i));
	return all;
}

/* ---- series ---- */

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

/* Place k of the inlet's handles: made the first time that there is something to say. */
static void
put(struct agent *a, struct agent_inlet *x, unsigned k, const char *name, const char *reason,
    uint64_t n)
{
	struct bl_series_def def = { .stream = BL_STREAM_HOST,
		.kind = BL_COUNTER,
		.interval_ms = (uint32_t)a->config->v->interval_ms,
		.name = str(name),
		.unit = str("1"),
		.n_labels = reason != NULL ? 2 : 1,
		.label = { { str("inlet"), str(x->row->ops->name) } } };

	if (n == 0)
		return;
	if (reason != NULL)
		def.label[1] = (struct bl_label){ str("reason"), str(reason) };
	if (x->handle[k] < 0 || x->handle_interval_ms != def.interval_ms)
		x->handle[k] = spool_thread_series(a->spool, &def); /* beside max_series */
	if (x->handle[k] >= 0)
		a->sink.sink.put(a->sink.sink.ctx, x->handle[k], (double)n);
}

static void
put_inlet(struct agent *a, unsigned i)
{
	struct agent_inlet *x = &a->inlet[i];
	struct inlet_count c[INLET_COUNTS_MAX];
	const unsigned n = agent_inlet_count(a, i, c);

	for (unsigned k = 0; k < n; k++) {
		if (c[k].refused)
			put(a, x, k, "agent_inlet_refused_total", c[k].name, c[k].n);
		else if (strcmp(c[k].name, "accepted") == 0)
			put(a, x, k, "agent_inlet_reports_total", NULL, c[k].n);
	}
	put(a, x, INLET_COUNTS_MAX, "agent_inlet_lost_total", NULL, x->lost);
	x->handle_interval_ms = (uint32_t)a->config->v->interval_ms;
}

void
agent_inlets_put_own(struct agent *a)
{
	for (unsigned i = 0; i < agent_inlets_n(); i++)
		put_inlet(a, i);
}
