/* The program branchline-plugins: its commands. */
#include "plugins.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "branchline/log.h"

#include "plugins_output.h"
#include "plugins_report.h"
#include "plugins_run.h"

#define EXIT_USAGE   64 /* EX_USAGE of sysexits.h */
#define EXIT_REFUSED 78 /* EX_CONFIG */
#define SHOWN_MAX    2000u

const char plugins_help[] =
    "usage: branchline-plugins run|list [--config FILE]\n"
    "       branchline-plugins test NAME [--config FILE]\n"
    "\n"
    "Runs monitoring plug-ins (as Nagios, Icinga and others run them) for branchline-agent.\n"
    "\n"
    "  run          runs the checks of the configuration until SIGTERM and reports them to the\n"
    "               agent's socket; SIGHUP reads the configuration again\n"
    "  list         the checks, and why one would not be run; exit code 1 when there is such\n"
    "  test NAME    runs one check now and shows what would be reported; nothing is. Exit code\n"
    "               1 when it is unknown because it broke a rule\n"
    "\n"
    "  --config FILE   plugins.yaml (default: " PLUGINS_FILE_DEFAULT ")\n"
    "  --version       prints the version\n"
    "\n"
    "Started by root, it becomes the user of the configuration first (branchline-plugins).\n"
    "Nothing is run that is not in the list `allow` of the configuration; no shell is used.\n"
    "Exit codes: 0 done, 1 failed, 64 wrong usage, 78 the configuration is wrong.\n";

static struct plugins_conf *
load(const char *path, int *code)
{
	struct plugins_conf *conf;
	struct bl_conf_errors errors;
	struct bl_err err = { 0 };
	const int rc = plugins_conf_load(&conf, path, &errors, &err);

	for (size_t i = 0; i < errors.n_kept; i++)
		(void)fprintf(stderr, "%s\n", errors.line[i]);
	if (rc < 0)
		(void)fprintf(stderr, "branchline-plugins: %s\n", err.msg);
	bl_conf_errors_free(&errors);
	*code = rc == BL_OK ? 0 : rc == BL_ENOMEM ? 1 : EXIT_REFUSED;
	return conf;
}

/* The configuration is read with the caller's rights, everything else done with the user's. */
static struct plugins_conf *
load_and_become(const char *path, int *code)
{
	struct plugins_conf *conf = load(path, code);
	struct bl_err err = { 0 };

	if (conf == NULL || plugins_become(conf, &err) == BL_OK)
		return conf;
	(void)fprintf(stderr, "branchline-plugins: %s\n", err.msg);
	plugins_conf_free(conf);
	*code = EXIT_REFUSED;
	return NULL;
}

static int
run(const char *path)
{
	struct bl_err err = { 0 };
	int code;
	struct plugins_conf *conf = load_and_become(path, &code);

	if (conf == NULL)
		return code;
	if (plugins_loop(conf, path, bl_clock_real(), &err) == BL_OK)
		return 0;
	bl_error("plugins", "does not start: %s", err.msg);
	return 1;
}

static int
list(const char *path)
{
	int code;
	struct plugins_conf *conf = load(path, &code);

	if (conf == NULL)
		return code;
	for (size_t i = 0; i < conf->checks.n; i++) {
		const struct plugins_check *c = plugins_conf_check(conf, i);
		struct bl_err err = { 0 };
		char *program;
		const bool good =
		    plugins_allowed(conf, c->command.item[0], &program, &err) == BL_OK;

		(void)printf("%s: every %g s%s:", c->name, (double)c->interval_ms / 1000,
		    c->enabled ? "" : ", switched off");
		for (size_t k = 0; k < c->command.n; k++)
			(void)printf(" %s", c->command.item[k]);
		(void)printf("\n");
		if (!good)
			(void)printf("  NOT RUN: %s\n", err.msg);
		code = good ? code : 1;
		free(program);
	}
	plugins_conf_free(conf);
	return code;
}

/* ---- test ---- */

static int
run_once(struct plugins_run *r, const struct plugins_conf *conf, const struct plugins_check *check,
    struct bl_err *err)
{
	const struct bl_clock *clock = bl_clock_real();
	int rc;

	(void)signal(SIGCHLD, SIG_DFL);
	plugins_run_adopt();
	if ((rc = plugins_run_start(r, conf, check, bl_mono_ms(clock), err)) < 0)
		return rc;
	while (!r->ended) {
		struct pollfd fds[2] = { { .fd = r->out_fd, .events = POLLIN },
			{ .fd = r->err_fd, .events = POLLIN } };

		/* Its end is looked for ten times a second; nobody waits for more here. */
		(void)poll(fds, 2, 100);
		plugins_run_read(r);
		if (bl_mono_ms(clock) >= r->deadline_mono_ms)
			plugins_run_time_out(r, bl_mono_ms(clock));
		(void)plugins_run_reap(r, 1, bl_mono_ms(clock));
	}
	/* Whatever it left behind, and what that left behind; a second, since nobody can be sure.
	 */
	for (unsigned i = 0; i < 100 && waitpid(-1, NULL, WNOHANG) >= 0; i++) {
		(void)plugins_run_sweep(r, 1);
		(void)poll(NULL, 0, 10);
	}
	return BL_OK;
}

static void
print_line(void *ctx, const char *line, size_t len, bool event)
{
	(void)ctx;
	(void)event;
	(void)printf("  %.*s\n", (int)len, line);
}

/* What in its performance data is none. */
static void
print_bad_values(const struct plugins_result *r)
{
	struct bl_str rest = { (const char *)r->perf.data, r->perf.len };
	struct plugins_perf p;
	struct bl_err err = { 0 };
	int rc;

	while (rest.len > 0 && (rc = plugins_perf_next(&rest, &p, &err)) != 0) {
		if (rc < 0)
			(void)printf("left out: %s\n", err.msg);
		else if (p.bad_limit)
			(void)printf("left out: a limit of %s that is no range\n", p.label);
		else if (!p.known)
			(void)printf("not known: %s\n", p.label);
	}
}

/* As much of a text as somebody wants to see. */
static void
print_text(const char *before, const struct bl_buf *b)
{
	const size_t n = plugins_text_cut((const char *)b->data, b->len, SHOWN_MAX);

	if (b->len == 0)
		return;
	(void)printf("%s%.*s\n", before, (int)n, (const char *)b->data);
	if (n < b->len)
		(void)printf("... and %zu bytes more\n", b->len - n);
}

static void
print_result(const struct plugins_result *r)
{
	struct plugins_teller teller = { .line = print_line, .id = "test" };
	struct plugins_memory memory = { 0 };
	struct plugins_counted counted = { 0 };

	(void)printf("%s: %s after %" PRId64 " ms\n", r->check, plugins_state_names[r->state],
	    r->duration_ms);
	if (r->why[0] != '\0')
		(void)printf("because %s\n", r->why);
	print_text("text: ", &r->text);
	print_text("", &r->detail);
	print_bad_values(r);
	(void)printf("would be reported:\n");
	plugins_report(r, &teller, &memory, 0, &counted);
}

static int
test_check(const struct plugins_conf *conf, const struct plugins_check *check)
{
	struct plugins_run r;
	struct plugins_result result;
	struct bl_err err = { 0 };
	const int64_t at = bl_unix_ms(bl_clock_real());
	int rc = run_once(&r, conf, check, &err), code = 1;

	if (rc < 0)
		plugins_result_failed(&result, check->name, err.msg, at);
	else
		rc = plugins_result_of(&result, &r, bl_unix_ms(bl_clock_real()));
	if (rc < 0 && result.why[0] == '\0') {
		(void)fprintf(stderr, "branchline-plugins: out of memory\n");
	} else {
		print_result(&result);
		code = result.why[0] != '\0' ? 1 : 0;
	}
	plugins_result_free(&result);
	plugins_run_drop(&r);
	return code;
}

static int
test(const char *path, const char *name)
{
	int code;
	struct plugins_conf *conf = load_and_become(path, &code);
	const struct plugins_check *check;

	if (conf == NULL)
		return code;
	if ((check = plugins_conf_find(conf, name)) != NULL) {
		code = test_check(conf, check);
	} else {
		(void)fprintf(stderr,
		    "branchline-plugins: %s has no check \"%s\"; `branchline-plugins list` has "
		    "them\n",
		    path, name);
		code = 1;
	}
	plugins_conf_free(conf);
	return code;
}

/* Words, at most two, and the configuration's path; 0, or the exit code + 1. */
static int
read_args(int argc, char **argv, const char **path, const char **words)
{
	int n = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			(void)fputs(plugins_help, stdout);
			return 1;
		}
		if (strcmp(argv[i], "--version") == 0) {
			(void)puts("branchline-plugins " BL_VERSION_LONG);
			return 1;
		}
		if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
			*path = argv[++i];
		else if (strncmp(argv[i], "--config=", 9) == 0)
			*path = argv[i] + 9;
		else if (argv[i][0] != '-' && n < 2)
			words[n++] = argv[i];
		else
			return EXIT_USAGE + 1;
	}
	return 0;
}

int
plugins_command(int argc, char **argv)
{
	const char *path = PLUGINS_FILE_DEFAULT, *words[2] = { NULL, NULL };
	const int code = read_args(argc, argv, &path, words);

	if (code == 1)
		return 0;
	if (code == 0 && words[0] != NULL && words[1] == NULL && strcmp(words[0], "run") == 0)
		return run(path);
	if (code == 0 && words[0] != NULL && words[1] == NULL && strcmp(words[0], "list") == 0)
		return list(path);
	if (code == 0 && words[1] != NULL && strcmp(words[0], "test") == 0)
		return test(path, words[1]);
	(void)fputs(
	    "branchline-plugins: expected run, list or test NAME; --help tells more\n", stderr);
	return EXIT_USAGE;
}
