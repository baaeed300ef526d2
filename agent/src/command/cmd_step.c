/* `branchline-agent step|case|event|metric`: one line to the agent, one answer. */
#include "commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "step_call.h"

#include "inlet_line.h"

#define COMMON                                                                                     \
	"  --process P     the process, as it is called at the centre (default: default)\n"        \
	"  --id ID         of this report, at most 64 bytes: the same one again within 24 h is\n"  \
	"                  the same event, so that a report can be repeated\n"                     \
	"  --at TIME       when it was: 2026-11-28T10:00:00+08:00, or seconds since 1970; at "     \
	"most\n"                                                                                   \
	"                  7 days ago. Else it is now\n"                                           \
	"  --text          every VALUE is text; else numbers, true and false are what they are\n"  \
	"                  (whole numbers of more than 15 digits are text)\n"                      \
	"  --config FILE   the agent's configuration, which names the socket\n"                    \
	"  --socket PATH   the agent's socket, without a configuration (faster)\n"

#define ANSWERED                                                                                   \
	"  --json          print {\"result\": \"accepted|repeated|refused|failed\", "              \
	"\"message\"},\n"                                                                          \
	"                  and \"warning\" where there is one\n"                                   \
	"\n"                                                                                       \
	"Exit code 0: the agent has it on disk (or had it already); 1: it does not have it, and\n" \
	"one line says why; 64: wrong usage. A mistake in the configuration is a warning alone.\n"

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

#define AS_STEPS                                                                                   \
	"  --id ID, --at TIME, --config FILE, --socket PATH, --json: as of\n"                      \
	"                  `branchline-agent step event`, and so are exit codes\n"

static const char help_case[] =
    "usage: branchline-agent case CASE [--status S] [OPTIONS] [NAME=VALUE ...]\n"
    "\n"
    "What became of case CASE: its status, and what else rules and KPIs may look at.\n"
    "\n"
    "  --process P     the process, as it is called at the centre (default: default)\n"
    "  --status S      the case's status from now on\n"
    "  --text          every VALUE is text\n" AS_STEPS;

static const char help_a_type[] =
    "usage: branchline-agent event TYPE [OPTIONS] [NAME=VALUE ...]\n"
    "\n"
    "Something of this TYPE happened, of no process: door.opened, backup.done ...\n"
    "\n"
    "  --text          every VALUE is text\n" AS_STEPS;

static const char help_metric[] =
    "usage: branchline-agent metric NAME VALUE [OPTIONS] [LABEL=VALUE ...]\n"
    "\n"
    "A value: a number, at most a day old. NAME becomes lower case, a-z, 0-9 and _; labels tell\n"
    "series of one name apart, at most 7.\n"
    "\n"
    "  --unit U        ms, bytes, celsius ...; the last one that was said is the series' unit\n"
    "  --kind K        gauge (default) or counter, which only grows\n" AS_STEPS;

static const struct step_form forms[] = {
	{ "step begin", help_begin, { NULL, NULL }, true, true, false, false, true },
	{ "step end", help_end, { NULL, NULL }, true, true, false, false, true },
	{ "step event", help_event, { NULL, NULL }, true, false, true, false, true },
};
static const struct step_form form_case = { "case", help_case, { "CASE", NULL }, true, false, false,
	false, true };
static const struct step_form form_event = { "event", help_a_type, { "TYPE", NULL }, false, false,
	false, false, true };
static const struct step_form form_metric = { "metric", help_metric, { "NAME", "VALUE" }, false,
	false, false, true, true };

/* One line, or one object; the exit code.  warning may be "". */
static int
tell(const struct step_args *args, const struct step_form *form, const char *warning,
    const char *result, const char *message)
{
	const bool good = message == NULL;
	json_t *o;
	int rc;

	if (!args->json && warning[0] != '\0')
		(void)fprintf(stderr, "branchline-agent: %s: warning: %s\n", form->name, warning);
	if (!args->json) {
		if (!good)
			(void)fprintf(stderr, "branchline-agent: %s: %s\n", form->name, message);
		return good ? 0 : 1;
	}
	o = json_pack(
	    "{s:s,s:o}", "result", result, "message", good ? json_null() : json_string(message));
	rc = o == NULL ? -1 : 0;
	if (rc == 0 && warning[0] != '\0')
		rc = json_object_set_new(o, "warning", json_string(warning));
	if (rc != 0 || json_dumpf(o, stdout, JSON_COMPACT) != 0)
		(void)fprintf(stderr, "branchline-agent: %s: %s\n", form->name, message);
	else
		(void)fputc('\n', stdout);
	json_decref(o);
	return good ? 0 : 1;
}

static int
tell_answer(const struct step_args *args, const struct step_form *form, const char *warning,
    const char *answer)
{
	if (strcmp(answer, "ok") == 0)
		return tell(args, form, warning, "accepted", NULL);
	if (strcmp(answer, "ok repeated") == 0)
		return tell(args, form, warning, "repeated", NULL);
	if (strncmp(answer, "error: ", 7) == 0)
		return tell(args, form, warning, "refused", answer + 7);
	return tell(args, form, warning, "failed", "the agent's answer is none of this version");
}

static int
run(const struct step_form *form, int argc, char **argv)
{
	struct step_place place = { 0 };
	struct step_args args;
	struct bl_err err = { 0 };
	struct bl_buf line;
	char answer[1024];
	int code = step_args_read(argc, argv, form, &args);

	if (code != 0)
		return code == 1 ? 0 : CMD_EXIT_USAGE;
	bl_buf_init(&line, 4 * INLET_LINE_MAX);
	if (step_line(&args, form->name, NULL, NULL, &line, &err) < 0) {
		(void)tell(&args, form, "", "refused", err.msg);
		code = CMD_EXIT_USAGE;
	} else if (step_place_find(&args, &place, &err) < 0 ||
		   step_call(place.socket, &line, STEP_WAIT_MS, answer, sizeof(answer), &err) < 0) {
		code = tell(&args, form, place.warning, "failed", err.msg);
	} else {
		code = tell_answer(&args, form, place.warning, answer);
	}
	free(place.socket);
	bl_buf_free(&line);
	return code;
}

int
cmd_case(int argc, char **argv)
{
	return run(&form_case, argc, argv);
}

int
cmd_event(int argc, char **argv)
{
	return run(&form_event, argc, argv);
}

int
cmd_metric(int argc, char **argv)
{
	return run(&form_metric, argc, argv);
}

int
cmd_time(int argc, char **argv)
{
	return cmd_step_time("time", argc, argv);
}

int
cmd_step(int argc, char **argv)
{
	const char *name = argc > 0 ? argv[0] : "";

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (strcmp(name, strchr(forms[i].name, ' ') + 1) == 0)
			return run(&forms[i], argc - 1, argv + 1);
	if (strcmp(name, "time") == 0)
		return cmd_step_time("step time", argc - 1, argv + 1);
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
