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
