/* `branchline-agent status` */
#include "commands.h"

#include <stdio.h>
#include <string.h>

#include "config.h"
#include "status.h"

static const char help[] =
    "usage: branchline-agent status [--config FILE | --state DIR] [--json]\n"
    "\n"
    "Asks the running agent how it does: the link and since when, why it is down, what\n"
    "waits in the spool and how old it is, the last receipt, gaps with their reasons, the\n"
    "clock, what each inlet took and what it refused why. When the agent is not running,\n"
    "reads the spool file and says so.\n"
    "\n"
    "Exit code 0: healthy; 1: degraded (the reasons are printed); 2: not running.\n";

/* Alive or dead; 0 and *out, or an exit code. */
static int
get(const char *dir, json_t **out)
{
	struct bl_err alive = { 0 }, dead = { 0 };
	int rc;

	if ((rc = status_ask(dir, out, &alive)) == BL_OK)
		return 0;
	if (rc != BL_ENOTFOUND) {
		(void)fprintf(stderr, "branchline-agent: %s\n", alive.msg);
		if (rc == BL_EDENIED)
			(void)fprintf(stderr, "  run this as root or as the agent's own user\n");
		return rc == BL_ETIMEDOUT ? STATUS_DEGRADED : STATUS_DEAD;
	}
	if (status_of_files(dir, out, &dead) < 0) {
		(void)fprintf(stderr,
		    "branchline-agent: the agent is not running, and its spool cannot be read: "
		    "%s\n",
		    dead.msg);
		return STATUS_DEAD;
	}
	return 0;
}

int
cmd_status(int argc, char **argv)
{
	const char *path = CONFIG_FILE_DEFAULT, *dir = NULL;
	int as_json = 0, code;
	const struct cmd_option options[] = { { "--config", &path, NULL },
		{ "--state", &dir, NULL }, { "--json", NULL, &as_json }, { NULL, NULL, NULL } };
	json_t *status = NULL;
	struct config *c;

	if ((code = cmd_options_read(argc, argv, options, NULL, 0, help)) != 0)
		return code == 1 ? 0 : CMD_EXIT_USAGE;
	if ((code = cmd_state_dir(path, &dir, &c)) != 0)
		return code;
	if ((code = get(dir, &status)) == 0) {
		if (as_json) {
			(void)json_dumpf(status, stdout, JSON_INDENT(2));
			(void)fputc('\n', stdout);
		} else {
			status_print(status, stdout);
		}
		code = (int)status_health(status);
	}
	json_decref(status);
	config_free(c);
	return code;
}
