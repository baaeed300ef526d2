/*
 * All processes of the machine, one after the other.
 *
 * /proc is listed anew each time and every process' stat is one open, read
 * and close: 10 to 20 us.  There is no cheaper way to learn who is there without
 * rights that the agent does not want.
 */
#include "sample_process_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static enum process_state
state_of(char letter)
{
	switch (letter) {
	case 'R':
		return PROCESS_RUNNING;
	case 'S':
		return PROCESS_SLEEPING;
	case 'D':
		return PROCESS_BLOCKED;
	case 'T':
	case 't':
		return PROCESS_STOPPED;
	case 'Z':
		return PROCESS_ZOMBIE;
	case 'I':
		return PROCESS_IDLE;
	default:
		return PROCESS_OTHER;
	}
}

/* -1, as a process without a terminal has it, is a number, too. */
static bool
skip_numbers(struct sample_scan *s, unsigned n)
{
	const char *word;
	size_t len;

	while (n-- > 0)
		if (!sample_scan_word(s, &word, &len))
			return false;
	return true;
}

/* "12 (name) S 1 ...": the name may hold blanks and parentheses, so up to the last one. */
bool
process_parse(const char *text, size_t len, struct process *out)
{
	struct sample_scan s = { text, text + len };
	const char *open, *close = memrchr(text, ')', len);
	uint64_t pid, user, system;
	const char *word;
	size_t n;

	if (!sample_scan_u64(&s, &pid) || pid > UINT32_MAX || close == NULL)
		return false;
	open = memchr(s.p, '(', (size_t)(s.end - s.p));
	if (open == NULL || open > close)
		return false;
	n = (size_t)(close - open - 1);
	if (n >= sizeof(out->command))
		n = sizeof(out->command) - 1;
	memcpy(out->command, open + 1, n);
	out->command[n] = '\0';
	out->pid = (uint32_t)pid;

	s.p = close + 1;
	if (!sample_scan_word(&s, &word, &n) || n != 1)
		return false;
	out->state = state_of(*word);
	/* fields 4 to 13, then utime, stime; 16 to 21, then starttime; vsize, rss */
	return skip_numbers(&s, 10) && sample_scan_u64(&s, &user) && sample_scan_u64(&s, &system) &&
	       (out->cpu_ticks = user + system, skip_numbers(&s, 6)) &&
	       sample_scan_u64(&s, &out->start_ticks) && skip_numbers(&s, 1) &&
	       sample_scan_u64(&s, &out->resident_pages);
}

/* Length, or -1 with errno. */
static ssize_t
read_small(int proc_fd, const char *pid, const char *file, char *buf, size_t size)
{
	char path[64];
	ssize_t n;
	int fd, e;

	(void)snprintf(path, sizeof(path), "%.20s/%s", pid, file);
	if ((fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC)) < 0)
		return -1;
	do
		n = read(fd, buf, size);
	while (n < 0 && errno == EINTR);
	e = errno;
	(void)close(fd);
	errno = e;
	return n;
}

/* Negative: it is there (no descriptor is left, no memory ...), so a walk without it is not whole.
 */
static int
look_at(struct process_walk *w, int proc_fd, const char *pid, struct bl_err *err)
{
	char text[1024];
	struct process p;
	const ssize_t n = read_small(proc_fd, pid, "stat", text, sizeof(text));

	if (n < 0) {
		const bool hidden = errno == EACCES || errno == EPERM;
		const bool ended = errno == ESRCH || errno == ENOENT;

		w->hidden += hidden;
		return hidden || ended
			   ? BL_OK
			   : bl_fail_errno(err, BL_EIO, "processes: read %s/%s/stat", w->proc, pid);
	}
	if (!process_parse(text, (size_t)n, &p))
		return BL_OK;
	w->n++;
	return w->each(w->ctx, &p, err);
}

/* Where /proc hides the processes of others (hidepid=2), the first one is not listed. */
static bool
is_first(const char *pid)
{
	return pid[0] == '1' && pid[1] == '\0';
}

int
process_walk(struct process_walk *w, struct bl_err *err)
{
	char buf[8192] __attribute__((aligned(8)));
	const int fd = open(w->proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool first = false;
	long got;
	int rc = BL_OK;

	w->n = w->hidden = 0;
	w->more = false;
	if (fd < 0)
		return bl_fail_errno(err, BL_EIO, "processes: open %s", w->proc);
	/* Not opendir, which allocates. */
	while (
	    rc == BL_OK && !w->more && (got = syscall(SYS_getdents64, fd, buf, sizeof(buf))) != 0) {
		if (got < 0) {
			rc = bl_fail_errno(err, BL_EIO, "processes: list %s", w->proc);
			break;
		}
		for (long at = 0; rc == BL_OK && at < got && !w->more;) {
			const struct dirent64 *e = (const struct dirent64 *)(buf + at);

			at += e->d_reclen;
			if (e->d_name[0] < '1' || e->d_name[0] > '9')
				continue;
			if (w->n >= w->max) {
				w->more = true;
				break;
			}
			first = first || is_first(e->d_name);
			rc = look_at(w, fd, e->d_name, err);
		}
	}
	(void)close(fd);
	w->hidden += !first;
	return rc;
}
