/* `branchline-agent run` */
#include "commands.h"

#include <stdio.h>

#include "branchline/log.h"
#include "branchline/mqtt.h"

#include "agent.h"

int
cmd_run(int argc, char **argv)
{
	const char *path = CONFIG_FILE_DEFAULT;
	const struct cmd_option options[] = { { "--config", &path, NULL }, { NULL, NULL, NULL } };
	struct bl_err err = { 0 };
	struct config *config;
	struct agent *a;
	int code, rc;

	code = cmd_options_read(argc, argv, options, NULL, 0,
	    "usage: branchline-agent run [--config FILE]\n\n"
	    "Samples and delivers in the foreground until SIGTERM. Log lines go to standard\n"
	    "error. SIGHUP reads the configuration and the certificates again. Exit code 78\n"
	    "means that the configuration is wrong; nothing else keeps it from starting but a\n"
	    "state folder that cannot be used.\n");
	if (code != 0)
		return code == 1 ? 0 : CMD_EXIT_USAGE;
	bl_mqtt_forget_proxies();
	if ((config = cmd_config(path, &code)) == NULL)
		return code;
	if (agent_start(&a, config, bl_clock_real(), &err) < 0) {
		bl_error("agent", "does not start: %s", err.msg);
		return 1;
	}
	if ((rc = agent_run(a, &err)) < 0)
		bl_error("agent", "ends: %s", err.msg);
	agent_stop(a);
	bl_info("agent", "stopped");
	return rc < 0 ? 1 : 0;
}
