/* The subcommands of branchline-collector. */
#include "commands.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "branchline/log.h"

#include "collector.h"
#include "config.h"
#include "store.h"

/* The order of the configuration's choices. */
static const enum bl_log_level log_levels[] = { BL_LOG_ERROR, BL_LOG_WARN, BL_LOG_INFO,
	BL_LOG_DEBUG };

/* 0: go on with *path; 1: help was printed; 2: a mistake was told. */
static int
read_options(int argc, char **argv, const char **path, const char *help)
{
	*path = CONFIG_FILE_DEFAULT;
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			(void)fputs(help, stdout);
			return 1;
		}
		if (strncmp(argv[i], "--config=", 9) == 0) {
			*path = argv[i] + 9;
		} else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
			*path = argv[++i];
		} else {
			(void)fprintf(stderr,
			    "branchline-collector: \"%s\" is not understood here, or its value is"
			    " missing; --help tells what there is\n",
			    argv[i]);
			return 2;
		}
	}
	return 0;
}

/* Loads, or says every error; the exit code, 0 when all is well. */
static int
load(const char *path, struct config *cfg)
{
	struct bl_conf_errors errors = { 0 };
	struct bl_err err = { 0 };
	const int rc = config_load(cfg, path, &errors, &err);

	for (size_t i = 0; i < errors.n_kept; i++)
		(void)fprintf(stderr, "%s\n", errors.line[i]);
	if (errors.n > errors.n_kept)
		(void)fprintf(stderr, "%s: and %zu more\n", path, errors.n - errors.n_kept);
	if (rc < 0)
		(void)fprintf(stderr, "branchline-collector: %s\n", err.msg);
	bl_conf_errors_free(&errors);
	return rc == BL_OK ? 0 : rc == BL_ENOMEM ? 1 : CONFIG_EXIT_REFUSED;
}

/* Options and configuration in one step; 0: go on, else *code is the exit code. */
static bool
begin(int argc, char **argv, const char *help, struct config *cfg, int *code)
{
	const char *path;

	*code = read_options(argc, argv, &path, help);
	if (*code != 0) {
		*code = *code == 1 ? 0 : CMD_EXIT_USAGE;
		return false;
	}
	return (*code = load(path, cfg)) == 0;
}

/* ---- run ---- */

/* Before any thread is started: they inherit the mask, and all signals come to the descriptor. */
static int
open_signals(struct bl_err *err)
{
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
	    (fd = signalfd(-1, &set, SFD_CLOEXEC)) < 0)
		return bl_fail_errno(err, BL_EIO, "signals");
	return fd;
}

static const char *
wait_for_end(int fd)
{
	struct signalfd_siginfo si;

	for (;;) {
		const ssize_t n = read(fd, &si, sizeof(si));

		if (n < 0 && errno == EINTR)
			continue;
		if (n != (ssize_t)sizeof(si))
			return "the signal descriptor failed";
		if (si.ssi_signo == SIGTERM)
			return "SIGTERM";
		if (si.ssi_signo == SIGINT)
			return "SIGINT";
		bl_info("collector", "SIGHUP changes nothing: a new configuration needs a restart");
	}
}

/* A reason that a restart does not mend is a refused configuration. */
static int
exit_code(int rc)
{
	return rc == BL_EINVAL || rc == BL_ENOTFOUND || rc == BL_ENEWER || rc == BL_ECORRUPT
		   ? CONFIG_EXIT_REFUSED
		   : 1;
}

int
cmd_run(int argc, char **argv)
{
	struct bl_err err = { 0 };
	struct collector *c;
	struct config cfg;
	int code, fd, rc;

	if (!begin(argc, argv,
		"usage: branchline-collector run [--config FILE]\n\n"
		"Takes telemetry in and answers questions about it, in the foreground, until\n"
		"SIGTERM or SIGINT. Log lines go to standard error. Exit code 78 means that the\n"
		"configuration, or a file that it names, is wrong, or that a newer version made "
		"the\n"
		"databases: starting again would not help.\n",
		&cfg, &code))
		return code;
	bl_log_level_set(log_levels[cfg.log_level]);
	bl_info("collector", "starts version=%s pid=%d", BL_VERSION, (int)getpid());
	if (BL_BROKEN[0] != '\0')
		bl_warn("collector",
		    "built broken on purpose (BL_BROKEN=%s): it will lose data; for tests only",
		    BL_BROKEN);
	if ((fd = open_signals(&err)) < 0 ||
	    (rc = collector_start(&c, &cfg, bl_clock_real(), &err)) < 0) {
		bl_error("collector", "does not start: %s", err.msg);
		code = exit_code(fd < 0 ? fd : rc);
	} else {
		bl_info("collector", "ends why=%s", wait_for_end(fd));
		collector_stop(c);
		bl_info("collector", "stopped");
		code = 0;
	}
	if (fd >= 0)
		(void)close(fd);
	config_release(&cfg);
	return code;
}

/* ---- the small ones ---- */

int
cmd_check_config(int argc, char **argv)
{
	struct config cfg;
	int code;

	if (!begin(argc, argv,
		"usage: branchline-collector check-config [--config FILE]\n\n"
		"Reads the configuration and prints every error with its line. Exit code 0 or "
		"78.\n",
		&cfg, &code))
		return code;
	config_release(&cfg);
	(void)puts("the configuration is fine");
	return 0;
}

int
cmd_print_config(int argc, char **argv)
{
	struct config cfg;
	int code;

	if (!begin(argc, argv,
		"usage: branchline-collector print-config [--config FILE]\n\n"
		"Prints the configuration in force, with all defaults, as YAML.\n",
		&cfg, &code))
		return code;
	code = bl_conf_print(&config_section, &cfg, stdout) < 0 || fflush(stdout) != 0 ? 1 : 0;
	config_release(&cfg);
	return code;
}

int
cmd_options(int argc, char **argv)
{
	const char *path;
	const int rc = read_options(argc, argv, &path,
	    "usage: branchline-collector options\n\n"
	    "Prints every option of collector.yaml with its type, default and bounds.\n");

	if (rc != 0)
		return rc == 1 ? 0 : CMD_EXIT_USAGE;
	bl_conf_print_options(&config_section, stdout);
	return 0;
}

static int
new_epoch(const struct config *cfg, struct bl_err *err)
{
	struct store_opts opts = { .clock = bl_clock_real() };
	char hex[BL_ID_HEX_SIZE], *path;
	struct store *s = NULL;
	int rc;

	if ((opts.path = path = collector_path(cfg, "telemetry.db")) == NULL)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	if (access(path, F_OK) != 0)
		rc = bl_fail_errno(err, BL_ENOTFOUND, "telemetry store %s", path);
	else if ((rc = store_open(&s, &opts, err)) >= 0 && (rc = store_new_epoch(s, err)) >= 0) {
		bl_id_hex(store_epoch(s), hex);
		(void)printf("the store's epoch is now %s; agents offer again what it lacks as soon"
			     " as the collector runs\n",
		    hex);
	}
	store_close(s);
	free(path);
	return rc;
}

int
cmd_new_epoch(int argc, char **argv)
{
	struct bl_err err = { 0 };
	struct config cfg;
	int code;

	if (!begin(argc, argv,
		"usage: branchline-collector new-epoch [--config FILE]\n\n"
		"After telemetry.db was restored from a backup: gives the store a new epoch, so\n"
		"that agents offer again what the copy lacks and everything derived is worked out\n"
		"anew. The collector must not be running. It does the same by itself when it "
		"finds\n"
		"that the file is older than what it had committed (telemetry.db.mark).\n",
		&cfg, &code))
		return code;
	if (new_epoch(&cfg, &err) < 0) {
		(void)fprintf(stderr, "branchline-collector: new epoch: %s\n", err.msg);
		code = 1;
	}
	config_release(&cfg);
	return code;
}
