/*
 * fleet: one process that acts as 1 to 20,000 agents.  README.md says what of an
 * agent it is and what it is not.
 */
#include "fleet_run.h"

#include <stdarg.h>

void
fleet_say(const char *fmt, ...)
{
	va_list args;

	(void)fputs("fleet: ", stderr);
	va_start(args, fmt);
	(void)vfprintf(stderr, fmt, args);
	va_end(args);
	(void)fputc('\n', stderr);
}

struct fleet_shape
fleet_shape_of(const struct fleet_opts *o)
{
	return (struct fleet_shape){ .seed = o->seed,
		.tick_ms = o->tick_ms,
		.cut_ms = o->cut_ms,
		.past_batches = o->past_hours,
		.past_cut_ms = 3600 * 1000,
		.variants = o->variants,
		.split = o->split,
		.quiet = !o->host_only };
}

int
main(int argc, char **argv)
{
	static int (*const commands[])(const struct fleet_opts *) = {
		[FLEET_RUN] = fleet_run, [FLEET_DIRECT] = fleet_direct, [FLEET_CHECK] = fleet_check
	};
	struct fleet_opts o;
	const int rc = fleet_opts_parse(&o, argc, argv);

	if (rc != 0)
		return rc == 1 ? 0 : rc;
	return commands[o.command](&o);
}
