/*
 * `branchline-agent step time`, or `time`: runs a command as a step.  The command comes
 * first: it runs whatever the agent does, its exit code is ours, and at most
 * one line of ours goes to standard error.
 */
#include "commands.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "step_call.h"

#include "inlet_line.h"

#define WAIT_MS 2000 /* the command does not wait longer for the agent */

static const char help[] =
    "usage: branchline-agent step time --case C --step S [OPTIONS] [NAME=VALUE ...] -- CMD [ARG "
    "...]\n"
    "       branchline-agent time ...\n"
    "\n"
    "Runs CMD (no shell) as step S of case C: begins the step, runs it, ends the step with its\n"
    "exit code as the attribute exit_code, and exits with that code. CMD runs also when the\n"
    "agent cannot be told; one line on standard error says so.\n"
    "\n"
    "  --process P     the process, as it is called at the centre (default: default)\n"
    "  --id ID         of this run, at most 58 bytes: its reports are ID.begin and ID.end\n"
    "  --text          every VALUE is text, also what looks like a number, true or false\n"
    "  --config FILE   the agent's configuration, which names the socket\n"
    "  --socket PATH   the agent's socket, without a configuration (faster)\n"
    "\n"
    "SIGTERM and SIGHUP are handed on to CMD. Exit code: that of CMD; 128 + n when signal n\n"
    "ended it; 126 when it cannot be run, 127 when it does not exist; 64: wrong usage.\n";

struct run {
	const char *name; /* of the command: "step time", or "time" */
	struct step_args args;
	struct step_place place;
	bool warned;
	sigset_t before; /* the mask that the command gets */
	sigset_t held;   /* waited for while it runs */
};

static void
warn(struct run *r, const char *why)
{
	if (!r->warned)
		(void)fprintf(stderr,
		    "branchline-agent: %s: the step is not reported, the command runs all the "
		    "same: %s%s%s\n",
		    r->name, why, r->place.warning[0] != '\0' ? "; " : "", r->place.warning);
	r->warned = true;
}

static void
report(struct run *r, const char *verb, const char *suffix, const char *more)
{
	struct bl_err err = { 0 };
	struct bl_buf line;
	char answer[1024];

	if (r->place.socket == NULL)
		return;
	bl_buf_init(&line, 4 * INLET_LINE_MAX);
	if (step_line(&r->args, verb, suffix, more, &line, &err) < 0 ||
	    step_call(r->place.socket, &line, WAIT_MS, answer, sizeof(answer), &err) < 0)
		warn(r, err.msg);
	else if (strncmp(answer, "ok", 2) != 0)
		warn(r, answer);
	bl_buf_free(&line);
}

static bool
uses_exit_code(const struct step_args *args)
{
	for (size_t i = 0; i < args->n_words; i++)
		if (strncmp(args->word[i], "exit_code=", 10) == 0)
			return true;
	return false;
}

/* 0, or the exit code: nothing runs. */
static int
read_args(int argc, char **argv, struct run *r, char ***command)
{
	const struct step_form form = { r->name, help, { NULL, NULL }, true, true, false, false,
		false };
	int own = 0, rc;

	while (own < argc && strcmp(argv[own], "--") != 0)
		own++;
	if ((rc = step_args_read(own, argv, &form, &r->args)) != 0)
		return rc == 1 ? -1 : CMD_EXIT_USAGE;
	if (own + 1 >= argc) {
		(void)fprintf(stderr,
		    "branchline-agent: %s: expected -- and a command; --help tells more\n",
		    r->name);
		return CMD_EXIT_USAGE;
	}
	if (uses_exit_code(&r->args)) {
		(void)fprintf(
		    stderr, "branchline-agent: %s: exit_code is the command's own\n", r->name);
		return CMD_EXIT_USAGE;
	}
	*command = argv + own + 1;
	return 0;
}

/* The signals that are waited for from here on. */
static void
signals_hold(struct run *r)
{
	(void)signal(SIGCHLD, SIG_DFL); /* ignored, it would leave no exit code behind */
	(void)sigemptyset(&r->held);
	(void)sigaddset(&r->held, SIGCHLD);
	(void)sigaddset(&r->held, SIGTERM);
	(void)sigaddset(&r->held, SIGHUP);
	(void)sigaddset(&r->held, SIGINT);
	(void)sigaddset(&r->held, SIGQUIT);
	(void)sigprocmask(SIG_BLOCK, &r->held, &r->before);
}

/* What came before the command was there to get it; 0: nothing. */
static int
early_signal(const struct run *r)
{
	const struct timespec at_once = { 0 };
	int sig, early = 0;

	while ((sig = sigtimedwait(&r->held, NULL, &at_once)) > 0)
		early = sig != SIGCHLD ? sig : early;
	return early;
}

static int
spawn(const struct run *r, char **command, pid_t *pid)
{
	posix_spawnattr_t attr;
	int rc;

	if ((rc = posix_spawnattr_init(&attr)) != 0)
		return rc;
	if ((rc = posix_spawnattr_setsigmask(&attr, &r->before)) == 0 &&
	    (rc = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK)) == 0)
		rc = posix_spawnp(pid, command[0], NULL, &attr, command, environ);
	(void)posix_spawnattr_destroy(&attr);
	return rc;
}

/* Until the command has ended: its status. */
static int
wait_for(const struct run *r, pid_t pid)
{
	siginfo_t si;
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		const int sig = sigwaitinfo(&r->held, &si);

		/* What a terminal sends has reached the command already. */
		if (sig > 0 && sig != SIGCHLD && si.si_code != SI_KERNEL)
			(void)kill(pid, sig);
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int
run_command(const struct run *r, char **command)
{
	const int early = early_signal(r);
	pid_t pid = -1;
	const int rc = spawn(r, command, &pid);

	if (rc == 0 && early != 0)
		(void)kill(pid, early);
	if (rc == 0)
		return wait_for(r, pid);
	(void)fprintf(
	    stderr, "branchline-agent: %s: cannot run %s: %s\n", r->name, command[0], strerror(rc));
	return rc == ENOENT ? 127 : 126;
}

int
cmd_step_time(const char *name, int argc, char **argv)
{
	struct run r = { .name = name };
	struct bl_err err = { 0 };
	char more[32], **command = NULL;
	int code = read_args(argc, argv, &r, &command);

	if (code != 0)
		return code < 0 ? 0 : code;
	if (step_place_find(&r.args, &r.place, &err) < 0)
		warn(&r, err.msg);
	signals_hold(&r);
	report(&r, "step begin", ".begin", NULL);
	code = run_command(&r, command);
	(void)snprintf(more, sizeof(more), "exit_code=%d", code);
	report(&r, "step end", ".end", more);
	if (!r.warned && r.place.warning[0] != '\0')
		(void)fprintf(stderr, "branchline-agent: %s: warning: %s\n", name, r.place.warning);
	free(r.place.socket);
	return code;
}
