/*
 * The step socket by name, in the status and the agent's own series: they are older than the table
 * of inlets, and others read them.
 */
#include "agent_internal.h"

#include <string.h>

#include "inlet_steps.h"

/* Its row. */
static unsigned
row_of_steps(const struct agent *a)
{
	unsigned i = 0;

	while (i + 1 < agent_inlets_n() && a->inlet[i].row->ops != &steps_ops)
		i++;
	return i;
}

static uint64_t
of_name(const struct inlet_count *c, unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(c[i].name, name) == 0)
			return c[i].n;
	return 0;
}

void
agent_steps_count(const struct agent *a, struct inlet_counters *out)
{
	const unsigned row = row_of_steps(a);
	struct inlet_count c[INLET_COUNTS_MAX];
	const unsigned n = agent_inlet_count(a, row, c);

	*out = (struct inlet_counters){ .clients = steps_clients(a->inlet[row].in),
		.accepted = of_name(c, n, "accepted"),
		.repeated = of_name(c, n, "repeated"),
		.bad_lines = of_name(c, n, "bad_lines"),
		.not_stored = of_name(c, n, "not_stored"),
		.late = of_name(c, n, "late"),
		.refused_clients = of_name(c, n, "refused_clients"),
		.idle_clients = of_name(c, n, "idle_clients") };
}

const char *
agent_steps_problem(const struct agent *a)
{
	return a->inlet[row_of_steps(a)].problem;
}
