/* `branchline-agent step begin|end|event`: one line to the agent, one answer. */
#include "commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "config.h"
#include "step_call.h"

#include "inlet_line.h"

#define COMMON                                                                                     \
	"  --process P     the process, as it is called at the centre (default: default)\n"        \
	"  --id ID         of this report, at most 64 bytes: the same one again within 24 h is\n"  \
	"                  the same event, so that a report can be repeated\n"                     \
	"  --text          every VALUE is text; else numbers, true and false are what they are\n"  \
	"                  (whole numbers of more than 15 digits are text)\n"                      \
	"  --config FILE   the agent's configuration, which names the socket\n"                    \
	"  --socket PATH   the agent's socket, without a configuration (faster)\n"

#define ANSWERED                                                                                   \
	"  --json          print {\"result\": \"accepted|repeated|refused|failed\", "              \
	"\"message\"}\n"                                                                           \
	"\n"                                                                                       \
	"Exit code 0: the agent has it on disk (or had it already); 1: it does not have it, and\n" \
	"one line says why; 64: wrong usage; 78: the configuration is wrong.\n"

static const char help[] =
    "usage: branchline-agent step begin|end|event|time --case C [--step S] [NAME=VALUE ...]\n"
    "\n"
    "Reports a step of a business process to the agent of this machine: that it begins, that\n"
    "it ends, that something happened in the case; or runs a command as the step (time).\n"
    "NAME=VALUE are what rules and KPIs at the centre may look at: owner, amount, status ...\n"
    "`branchline-agent step begin --help` and so on tell more.\n";

static const char help_begin[] =
    "usage: branchline-agent step begin --case C --step S [OPTIONS] [NAME=VALUE ...]\n"
    "\n"
    "Step S of case C begins now.\n"
    "\n" COMMON ANSWERED;

static const char help_end[] =
    "usage: branchline-agent step end --case C --step S [OPTIONS] [NAME=VALUE ...]\n"
    "\n"
    "Step S of case C ends now.\n"
    "\n" COMMON ANSWERED;

static const char help_event[] =
    "usage: branchline-agent step event --case C [--step S] [OPTIONS] [NAME=VALUE ...]\n"
    "\n"
    "Something happened in case C (in its step S) now; status=VALUE changes the case's status.\n"
    "\n" COMMON ANSWERED;

static const struct form {
	const char *name, *help;
	bool with_step;
} forms[] = {
	{ "begin", help_begin, true },
	{ "end", help_end, true },
	{ "event", help_event, false },
};

/* One line, or one object; the exit code. */
static int
tell(const struct step_args *args, const char *form, const char *result, const char *message)
{
	const bool good = message == NULL;
	json_t *o;

	if (!args->json) {
		if (!good)
			(void)fprintf(stderr, "branchline-agent: step %s: %s\n", form, message);
		return good ? 0 : 1;
	}
	o = json_pack(
	    "{s:s,s:o}", "result", result, "message", good ? json_null() : json_string(message));
	if (o == NULL || json_dumpf(o, stdout, JSON_COMPACT) != 0)
		(void)fprintf(stderr, "branchline-agent: step %s: %s\n", form, message);
	else
		(void)fputc('\n', stdout);
	json_decref(o);
	return good ? 0 : 1;
}

static int
tell_answer(const struct step_args *args, const char *form, const char *answer)
{
	if (strcmp(answer, "ok") == 0)
		return tell(args, form, "accepted", NULL);
	if (strcmp(answer, "ok repeated") == 0)
		return tell(args, form, "repeated", NULL);
	if (strncmp(answer, "error: ", 7) == 0)
		return tell(args, form, "refused", answer + 7);
	return tell(args, form, "failed", "the agent's answer is none of this version");
}

static int
run(const struct form *form, int argc, char **argv)
{
	struct step_args args;
	struct bl_err err = { 0 };
	struct bl_buf line;
	char answer[1024], *socket = NULL;
	int rc,
	    code = step_args_read(argc, argv, form->name, form->with_step, true, form->help, &args);

	if (code != 0)
		return code == 1 ? 0 : CMD_EXIT_USAGE;
	bl_buf_init(&line, 4 * INLET_LINE_MAX);
	if (step_line(&args, form->name, NULL, NULL, &line, &err) < 0) {
		(void)tell(&args, form->name, "refused", err.msg);
		code = CMD_EXIT_USAGE;
	} else if ((rc = step_socket(&args, &socket, &err)) < 0) {
		code = tell(&args, form->name, "failed", err.msg);
		code = rc == BL_EINVAL ? CONFIG_EXIT_REFUSED : code;
	} else if (step_call(socket, &line, STEP_WAIT_MS, answer, sizeof(answer), &err) < 0) {
		code = tell(&args, form->name, "failed", err.msg);
	} else {
		code = tell_answer(&args, form->name, answer);
	}
	free(socket);
	bl_buf_free(&line);
	return code;
}

int
cmd_step(int argc, char **argv)
{
	const char *name = argc > 0 ? argv[0] : "";

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (strcmp(name, forms[i].name) == 0)
			return run(&forms[i], argc - 1, argv + 1);
	if (strcmp(name, "time") == 0)
		return cmd_step_time(argc - 1, argv + 1);
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		(void)fputs(help, stdout);
		return 0;
	}
	if (argc == 0)
		(void)fputs(help, stderr);
	else
		(void)fprintf(stderr,
		    "branchline-agent: step: expected begin, end, event or time, got \"%s\"; "
		    "--help "
		    "tells more\n",
		    name);
	return CMD_EXIT_USAGE;
}
