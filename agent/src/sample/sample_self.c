/*
 * What the agent itself costs: CPU time, resident memory, open files, threads.
 *
 * Counting descriptors and threads is one stat each where the kernel tells
 * (size of /proc/self/fd since 6.2, links of /proc/self/task always); on older
 * kernels the descriptors are listed.
 */
#include "sample_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SELF_CPU, SELF_RSS, SELF_FILES, SELF_THREADS, SELF_SERIES };

static const struct sample_spec spec[SELF_SERIES] = {
	{ "agent_cpu_ms_total", "ms", BL_COUNTER, NULL },
	{ "agent_resident_bytes", "bytes", BL_GAUGE, NULL },
	{ "agent_open_files", "1", BL_GAUGE, NULL },
	{ "agent_threads", "1", BL_GAUGE, NULL },
};

struct self {
	const struct sample_self_conf *conf;
	uint32_t interval_ms;
	struct sample_file statm;
	struct sample_file fds; /* their paths alone are used */
	struct sample_file task;
	int32_t handle[SELF_SERIES];
	double page_bytes;
};

static const struct bl_conf_key self_keys[] = {
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_self_conf, enabled),
	    .help = "sample what the agent itself costs" },
	{ 0 },
};

static const struct bl_conf_section self_section = { "self", sizeof(struct sample_self_conf),
	self_keys, NULL };

static void
self_close(struct sampler *s)
{
	struct self *f = (struct self *)s;

	if (f == NULL)
		return;
	sample_file_close(&f->statm);
	sample_file_close(&f->fds);
	sample_file_close(&f->task);
	free(f);
}

static int
self_open(struct sampler **out, const void *conf, const char *root, uint32_t interval_ms,
    struct bl_err *err)
{
	struct self *f = calloc(1, sizeof(*f));
	int rc;

	*out = NULL;
	if (f == NULL)
		return bl_fail(err, BL_ENOMEM, "self: out of memory");
	f->conf = conf;
	f->interval_ms = interval_ms;
	f->page_bytes = (double)sysconf(_SC_PAGESIZE);
	for (unsigned i = 0; i < SELF_SERIES; i++)
		f->handle[i] = SAMPLE_NEW;
	rc = sample_file_init(&f->statm, root, "/proc/self/statm", err);
	if (rc == BL_OK)
		rc = sample_file_init(&f->fds, root, "/proc/self/fd", err);
	if (rc == BL_OK)
		rc = sample_file_init(&f->task, root, "/proc/self/task", err);
	if (rc < 0) {
		self_close((struct sampler *)f);
		return rc;
	}
	*out = (struct sampler *)f;
	return BL_OK;
}

/* Entries of a folder but "." and ".."; -1: unreadable.  Not opendir, which allocates. */
static double
entries_count(const char *path)
{
	char buf[4096] __attribute__((aligned(8)));
	double n = -3; /* ".", ".." and the descriptor that looks */
	long got;
	const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	while ((got = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < got; n++) {
			const struct dirent64 *entry = (const struct dirent64 *)(buf + at);

			at += entry->d_reclen;
		}
	}
	(void)close(fd);
	return got < 0 ? -1 : n;
}

static double
files_count(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -1;
	/* procfs gives 0 before 6.2; on anything else than procfs the size means nothing. */
	if (st.st_size > 0 && st.st_size < 4096 && st.st_blocks == 0)
		return (double)st.st_size;
	return entries_count(path);
}

static double
threads_count(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_nlink > 2 ? (double)(st.st_nlink - 2) : -1;
}

static double
cpu_ms(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) < 0)
		return -1;
	return sample_round2((double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6);
}

/* "size resident shared ..." in pages */
static int
resident(struct self *f, double *bytes, struct bl_err *err)
{
	char buf[128];
	uint64_t size;
	uint64_t pages;
	bool cut;
	const int rc = sample_file_read(&f->statm, buf, sizeof(buf), &cut, err);
	struct sample_scan text = { buf, buf + (rc < 0 ? 0 : rc) };

	*bytes = -1;
	if (rc < 0)
		return rc;
	if (!sample_scan_u64(&text, &size) || !sample_scan_u64(&text, &pages))
		return bl_fail(
		    err, BL_ECORRUPT, "self: %s does not read as page counts", f->statm.path);
	*bytes = (double)pages * f->page_bytes;
	return BL_OK;
}

static int
self_sample(struct sampler *s, int64_t boot_ms, struct sample_sink *sink, struct bl_err *err)
{
	struct self *f = (struct self *)s;
	const struct sample_to to = { sink, f->interval_ms };
	double value[SELF_SERIES];
	int rc;

	(void)boot_ms;
	if (!f->conf->enabled)
		return BL_OK;
	value[SELF_CPU] = cpu_ms();
	rc = resident(f, &value[SELF_RSS], err);
	value[SELF_FILES] = files_count(f->fds.path);
	value[SELF_THREADS] = threads_count(f->task.path);
	for (unsigned i = 0; i < SELF_SERIES; i++) {
		if (value[i] < 0)
			sample_put_unknown(
			    &to, &f->handle[i], &spec[i], NULL, BL_UNKNOWN_UNREADABLE);
		else
			sample_put(&to, &f->handle[i], &spec[i], NULL, value[i]);
	}
	return rc;
}

const struct sampler_ops sampler_self = { "self", &self_section, self_open, self_sample,
	self_close };
