/* One run of a plug-in; see the header. */
#include "plugins_run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ERRORS_MAX  1024u      /* bytes of standard error that are kept */
#define FILE_MAX    (16 << 20) /* bytes of a file that it writes */
#define FILES_MAX   256        /* descriptors */
#define NOT_STARTED 127        /* exit code, as shells have it */

const char *const plugins_state_names[] = { "ok", "warning", "critical", "unknown" };

/* ---- in the child ---- */

/* At most: who started this may have set a lower one, which cannot be raised. */
static void
limit(int resource, int64_t to)
{
	struct rlimit l = { (rlim_t)to, (rlim_t)to };

	if (getrlimit((__rlimit_resource_t)resource, &l) == 0 && l.rlim_max > (rlim_t)to)
		l.rlim_max = (rlim_t)to;
	l.rlim_cur = l.rlim_max;
	if (setrlimit((__rlimit_resource_t)resource, &l) != 0) {
		(void)dprintf(STDERR_FILENO, "limit %d: %s", resource, strerror(errno));
		_exit(NOT_STARTED);
	}
}

static void
limits(const struct plugins_conf *c, const struct plugins_check *check)
{
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, FILES_MAX);
	limit(RLIMIT_FSIZE, FILE_MAX);
	limit(RLIMIT_NPROC, c->max_processes);
	/* Behind the time by the clock, for a machine on which nobody is there to end it. */
	limit(RLIMIT_CPU, check->timeout_ms / 1000 + 2);
	limit(RLIMIT_DATA, check->max_memory);
}

/* What a plug-in finds that is the same everywhere. */
static void
surroundings(int out, int errors, pid_t parent)
{
	const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;

	(void)setsid();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || null < 0 || chdir("/") != 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0 || dup2(errors, STDERR_FILENO) < 0)
		_exit(NOT_STARTED);
	(void)close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	(void)umask(077);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child(const struct plugins_conf *c, const struct plugins_check *check,
    const char *program, char **argv, int out, int errors, pid_t parent) __attribute__((noreturn));

static void
child(const struct plugins_conf *c, const struct plugins_check *check, const char *program,
    char **argv, int out, int errors, pid_t parent)
{
	static char *const env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/",
		NULL };

	surroundings(out, errors, parent);
	limits(c, check);
	(void)execve(program, argv, env);
	(void)dprintf(STDERR_FILENO, "run %s: %s", program, strerror(errno));
	_exit(NOT_STARTED);
}

/* ---- its life ---- */

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void
init(struct plugins_run *r, const struct plugins_check *check, int64_t now_mono_ms)
{
	memset(r, 0, sizeof(*r));
	r->check = check;
	r->out_fd = r->err_fd = -1;
	bl_buf_init(&r->out, (size_t)check->max_output);
	bl_buf_init(&r->errors, ERRORS_MAX);
	r->begun_mono_ms = now_mono_ms;
	r->deadline_mono_ms = now_mono_ms + check->timeout_ms;
}

/* The list that execve wants, of the strings of the configuration; free() it. */
static char **
argv_of(const struct bl_conf_strlist *command)
{
	char **argv = calloc(command->n + 1, sizeof(*argv));

	for (size_t i = 0; argv != NULL && i < command->n; i++)
		argv[i] = command->item[i];
	return argv;
}

static int
spawn(struct plugins_run *r, const struct plugins_conf *c, const char *program, int out, int errors,
    struct bl_err *err)
{
	const pid_t self = getpid();
	char **argv = argv_of(&r->check->command);

	if (argv == NULL)
		return bl_fail(err, BL_ENOMEM, "run %s: out of memory", program);
	r->pid = fork();
	if (r->pid == 0)
		child(c, r->check, program, argv, out, errors, self);
	free(argv);
	if (r->pid > 0)
		return BL_OK;
	r->pid = 0;
	return bl_fail_errno(err, BL_EIO, "run %s", program);
}

int
plugins_run_start(struct plugins_run *r, const struct plugins_conf *c,
    const struct plugins_check *check, int64_t now_mono_ms, struct bl_err *err)
{
	int out[2] = { -1, -1 }, errors[2] = { -1, -1 }, rc;
	char *program;

	init(r, check, now_mono_ms);
	if ((rc = plugins_allowed(c, check->command.item[0], &program, err)) < 0)
		return rc;
	if (pipe2(out, O_CLOEXEC) != 0 || pipe2(errors, O_CLOEXEC) != 0 ||
	    fcntl(out[0], F_SETFL, O_NONBLOCK) != 0 || fcntl(errors[0], F_SETFL, O_NONBLOCK) != 0)
		rc = bl_fail_errno(err, BL_EIO, "run %s: make a pipe", program);
	else
		rc = spawn(r, c, program, out[1], errors[1], err);
	r->out_fd = out[0];
	r->err_fd = errors[0];
	close_fd(&out[1]);
	close_fd(&errors[1]);
	free(program);
	if (rc < 0)
		plugins_run_drop(r);
	return rc;
}

/* Everything in its group, which is its session's number as well. */
static void
end_group(const struct plugins_run *r)
{
	(void)kill(-r->pid, SIGKILL);
	(void)kill(r->pid, SIGKILL); /* it has no group yet when it was just made */
}

/* What is there; false: nothing more will come, or it went beyond its buffer. */
static bool
read_pipe(int *fd, struct bl_buf *to)
{
	uint8_t piece[4096];
	ssize_t n;

	while (*fd >= 0 && !to->failed) {
		n = read(*fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			close_fd(fd);
		else
			bl_buf_bytes(to, piece, (size_t)n);
	}
	return !to->failed;
}

/* The begin is kept; false: it is too much. */
static bool
read_errors(struct plugins_run *r)
{
	uint8_t piece[1024];
	ssize_t n;

	while (r->err_fd >= 0 && r->errors_bytes <= r->check->max_output) {
		n = read(r->err_fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0) {
			close_fd(&r->err_fd);
			continue;
		}
		r->errors_bytes += n;
		if (r->errors.len + (size_t)n <= r->errors.cap)
			bl_buf_bytes(&r->errors, piece, (size_t)n);
	}
	return r->errors_bytes <= r->check->max_output;
}

void
plugins_run_read(struct plugins_run *r)
{
	const bool fits = read_errors(r);

	if ((read_pipe(&r->out_fd, &r->out) && fits) || r->cut != PLUGINS_CUT_NOT)
		return;
	r->cut = PLUGINS_CUT_OUTPUT;
	close_fd(&r->out_fd);
	close_fd(&r->err_fd);
	if (!r->ended)
		end_group(r);
}

void
plugins_run_time_out(struct plugins_run *r, int64_t now_mono_ms)
{
	if (r->cut == PLUGINS_CUT_NOT)
		r->cut = PLUGINS_CUT_TIME;
	r->timed_out = true;
	r->ended_mono_ms = now_mono_ms;
	r->deadline_mono_ms = now_mono_ms + r->check->interval_ms;
	end_group(r);
}

static void
ended(struct plugins_run *r, int64_t now_mono_ms)
{
	end_group(r); /* its number is its own until it is waited for */
	while (waitpid(r->pid, &r->status, 0) < 0 && errno == EINTR)
		;
	r->ended = true;
	r->ended_mono_ms = now_mono_ms;
	plugins_run_read(r);
	close_fd(&r->out_fd);
	close_fd(&r->err_fd);
}

unsigned
plugins_run_reap(struct plugins_run *run, size_t n, int64_t now_mono_ms)
{
	unsigned others = 0;

	for (;;) {
		siginfo_t si = { 0 };
		size_t i = 0;

		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) != 0 || si.si_pid == 0)
			return others;
		while (i < n && (run[i].pid != si.si_pid || run[i].ended))
			i++;
		if (i < n)
			ended(&run[i], now_mono_ms);
		else
			others += waitpid(si.si_pid, NULL, WNOHANG) > 0;
	}
}

void
plugins_run_drop(struct plugins_run *r)
{
	if (r->pid > 0 && !r->ended)
		end_group(r);
	close_fd(&r->out_fd);
	close_fd(&r->err_fd);
	bl_buf_free(&r->out);
	bl_buf_free(&r->errors);
	r->pid = 0;
}

/* ---- what it means ---- */

static bool
blank(const struct bl_buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		if (b->data[i] > ' ')
			return false;
	return true;
}

enum plugins_state
plugins_run_state(const struct plugins_run *r, char *why, size_t size)
{
	const int code = WIFEXITED(r->status) ? WEXITSTATUS(r->status) : -1;

	why[0] = '\0';
	if (r->cut == PLUGINS_CUT_TIME)
		(void)snprintf(why, size, "it was ended after %" PRId64 " ms without an answer",
		    r->check->timeout_ms);
	else if (r->cut == PLUGINS_CUT_OUTPUT)
		(void)snprintf(why, size, "it was ended: it printed more than %" PRId64 " bytes",
		    r->check->max_output);
	else if (code < 0)
		(void)snprintf(why, size, "signal %d (%s) ended it", WTERMSIG(r->status),
		    strsignal(WTERMSIG(r->status)));
	else if (code > PLUGINS_UNKNOWN)
		(void)snprintf(why, size, "its exit code %d is none of a plug-in's (0 to 3)", code);
	else if (blank(&r->out))
		(void)snprintf(why, size, "it printed nothing");
	return why[0] != '\0' ? PLUGINS_UNKNOWN : (enum plugins_state)code;
}

/* ---- what plug-ins leave behind ---- */

void
plugins_run_adopt(void)
{
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static bool
belongs(const struct plugins_run *run, size_t n, pid_t pid)
{
	const pid_t session = getsid(pid), group = getpgid(pid);

	for (size_t i = 0; i < n; i++)
		if (run[i].pid > 0 && !run[i].ended &&
		    (run[i].pid == pid || run[i].pid == session || run[i].pid == group))
			return true;
	return false;
}

unsigned
plugins_run_sweep(const struct plugins_run *run, size_t n)
{
	char path[64];
	unsigned killed = 0;
	FILE *f;
	int pid;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	if ((f = fopen(path, "re")) == NULL)
		return 0;
	while (fscanf(f, "%d", &pid) == 1)
		if (!belongs(run, n, pid) && kill(pid, SIGKILL) == 0)
			killed++;
	(void)fclose(f);
	return killed;
}
