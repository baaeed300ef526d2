/*
 * CPU: percent per mode and in all since the last tick, number of CPUs, load
 * averages, processes.
 *
 * Percentages need two readings: at the first tick they are not put at all
 * (nothing was due yet); afterwards a reading that failed is unknown, and the
 * next good one covers the time since the last good one.  Kernel counters of
 * idle and iowait may step back a little; such a step counts as zero.  `user`
 * holds guest time and `nice` guest_nice time, as the kernel has it.
 *
 * Processes are counted by the link count of /proc (one a process), against a
 * base taken at open: a walk over all processes costs fifty times as much.
 */
#include "sample_internal.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODES 8

static const char *const mode_name[MODES] = {
	"user",
	"nice",
	"system",
	"idle",
	"iowait",
	"irq",
	"softirq",
	"steal",
};

enum { MODE_IDLE = 3, MODE_IOWAIT = 4 };

enum {
	CPU_USED,
	CPU_COUNT,
	CPU_LOAD1,
	CPU_LOAD5,
	CPU_LOAD15,
	CPU_RUNNING,
	CPU_PROCESSES,
	CPU_SERIES,
};

static const struct sample_spec spec[CPU_SERIES] = {
	{ "cpu_used_pct", "pct", BL_GAUGE, NULL },
	{ "cpu_count", "1", BL_GAUGE, NULL },
	{ "load1", "1", BL_GAUGE, NULL },
	{ "load5", "1", BL_GAUGE, NULL },
	{ "load15", "1", BL_GAUGE, NULL },
	{ "processes_running", "1", BL_GAUGE, NULL },
	{ "processes_total", "1", BL_GAUGE, NULL },
};

static const struct sample_spec mode_spec = { "cpu_mode_pct", "pct", BL_GAUGE, "mode" };

struct cpu_reading {
	unsigned n_modes; /* how many this kernel has; 0: none yet */
	unsigned n_cpus;  /* 0: not known */
	uint64_t mode[MODES];
};

struct cpu {
	const struct sample_cpu_conf *conf;
	uint32_t interval_ms;
	struct sample_file stat;
	struct sample_file loadavg;
	struct sample_file proc; /* its path alone is used */
	int64_t proc_base;       /* links of /proc that are not processes; -1: not usable */
	struct cpu_reading last;
	size_t size; /* of buf: the CPU lines of the largest machine this could become */
	char *buf;
	int32_t handle[CPU_SERIES];
	int32_t mode_handle[MODES];
};

static const struct bl_conf_key cpu_keys[] = {
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_cpu_conf, enabled),
	    .help = "sample CPU use, load and processes" },
	{ .name = "modes",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_cpu_conf, modes),
	    .help = "percent per mode (user, system, iowait ...) beside the sum" },
	{ 0 },
};

static const struct bl_conf_section cpu_section = { "cpu", sizeof(struct sample_cpu_conf), cpu_keys,
	NULL };

/* ---- open and close ---- */

static void
cpu_close(struct sampler *s)
{
	struct cpu *c = (struct cpu *)s;

	if (c == NULL)
		return;
	sample_file_close(&c->stat);
	sample_file_close(&c->loadavg);
	sample_file_close(&c->proc);
	free(c->buf);
	free(c);
}

/* Links of /proc that are not processes: fixed folders, "." and "..". */
static int64_t
proc_base(const char *path)
{
	struct stat st;
	struct dirent *entry;
	int64_t processes = 0;
	DIR *dir = opendir(path);

	if (dir == NULL)
		return -1;
	while ((entry = readdir(dir)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]))
			processes++;
	if (fstat(dirfd(dir), &st) < 0)
		processes = -1;
	(void)closedir(dir);
	/* In a container the links count the host's processes: outside this range it is no base. */
	if (processes <= 0 || (int64_t)st.st_nlink < processes ||
	    (int64_t)st.st_nlink - processes > 100)
		return -1;
	return (int64_t)st.st_nlink - processes;
}

static int
cpu_open(struct sampler **out, const void *conf, const char *root, uint32_t interval_ms,
    struct bl_err *err)
{
	const long configured = sysconf(_SC_NPROCESSORS_CONF);
	struct cpu *c = calloc(1, sizeof(*c));
	int rc;

	*out = NULL;
	if (c == NULL)
		return bl_fail(err, BL_ENOMEM, "cpu: out of memory");
	c->conf = conf;
	c->interval_ms = interval_ms;
	for (unsigned i = 0; i < CPU_SERIES; i++)
		c->handle[i] = SAMPLE_NEW;
	for (unsigned i = 0; i < MODES; i++)
		c->mode_handle[i] = SAMPLE_NEW;

	/* 128 bytes hold a CPU's line; what follows those lines is not needed. */
	c->size = 8192 + (configured > 0 && configured < 65536 ? (size_t)configured * 128 : 0);
	c->buf = malloc(c->size);
	rc = c->buf == NULL ? bl_fail(err, BL_ENOMEM, "cpu: out of memory") : BL_OK;
	if (rc == BL_OK)
		rc = sample_file_init(&c->stat, root, "/proc/stat", err);
	if (rc == BL_OK)
		rc = sample_file_init(&c->loadavg, root, "/proc/loadavg", err);
	if (rc == BL_OK)
		rc = sample_file_init(&c->proc, root, "/proc", err);
	if (rc < 0) {
		cpu_close((struct sampler *)c);
		return rc;
	}
	c->proc_base = proc_base(c->proc.path);
	*out = (struct sampler *)c;
	return BL_OK;
}

/* ---- /proc/stat ---- */

/* False: no line of all CPUs with at least the four modes that every kernel has. */
static bool
stat_parse(const char *buf, size_t len, struct cpu_reading *r)
{
	struct sample_scan text = { buf, buf + len };
	struct sample_scan line;
	bool ended = false;

	memset(r, 0, sizeof(*r));
	if (!sample_scan_line(&text, &line) || !sample_scan_skip(&line, "cpu "))
		return false;
	while (r->n_modes < MODES && sample_scan_u64(&line, &r->mode[r->n_modes]))
		r->n_modes++;
	if (r->n_modes < MODE_IDLE + 1)
		return false;

	while (!ended && sample_scan_line(&text, &line)) {
		ended = !sample_scan_skip(&line, "cpu");
		if (!ended)
			r->n_cpus++;
	}
	if (!ended)
		r->n_cpus = 0; /* cut off among them */
	return true;
}

static void
percents_put(struct cpu *c, const struct cpu_reading *r, const struct sample_to *to)
{
	uint64_t delta[MODES] = { 0 };
	double total = 0;

	for (unsigned i = 0; i < r->n_modes; i++) {
		delta[i] = r->mode[i] > c->last.mode[i] ? r->mode[i] - c->last.mode[i] : 0;
		total += (double)delta[i];
	}
	if (total <= 0) { /* two ticks within one jiffy: there is no ratio */
		sample_put_unknown(
		    to, &c->handle[CPU_USED], &spec[CPU_USED], NULL, BL_UNKNOWN_UNREADABLE);
		for (unsigned i = 0; c->conf->modes && i < r->n_modes; i++)
			sample_put_unknown(to, &c->mode_handle[i], &mode_spec, mode_name[i],
			    BL_UNKNOWN_UNREADABLE);
		return;
	}
	sample_put(to, &c->handle[CPU_USED], &spec[CPU_USED], NULL,
	    sample_pct(total - (double)delta[MODE_IDLE] - (double)delta[MODE_IOWAIT], total));
	for (unsigned i = 0; c->conf->modes && i < r->n_modes; i++)
		sample_put(to, &c->mode_handle[i], &mode_spec, mode_name[i],
		    sample_pct((double)delta[i], total));
}

static int
stat_sample(struct cpu *c, const struct sample_to *to, struct bl_err *err)
{
	struct cpu_reading r;
	bool cut;
	int rc = sample_file_read(&c->stat, c->buf, c->size, &cut, err);

	if (rc >= 0 && !stat_parse(c->buf, (size_t)rc, &r))
		rc = bl_fail(err, BL_ECORRUPT, "cpu: %s has no line \"cpu\"", c->stat.path);
	if (rc < 0) {
		sample_put_unknown(
		    to, &c->handle[CPU_USED], &spec[CPU_USED], NULL, BL_UNKNOWN_UNREADABLE);
		sample_put_unknown(
		    to, &c->handle[CPU_COUNT], &spec[CPU_COUNT], NULL, BL_UNKNOWN_UNREADABLE);
		for (unsigned i = 0; c->conf->modes && i < c->last.n_modes; i++)
			sample_put_unknown(to, &c->mode_handle[i], &mode_spec, mode_name[i],
			    BL_UNKNOWN_UNREADABLE);
		return rc;
	}
	if (c->last.n_modes == r.n_modes)
		percents_put(c, &r, to);
	c->last = r;
	if (r.n_cpus > 0)
		sample_put(to, &c->handle[CPU_COUNT], &spec[CPU_COUNT], NULL, r.n_cpus);
	else
		sample_put_unknown(
		    to, &c->handle[CPU_COUNT], &spec[CPU_COUNT], NULL, BL_UNKNOWN_UNREADABLE);
	return BL_OK;
}

/* ---- /proc/loadavg and /proc ---- */

/* "0.20 0.18 0.12 1/80 11206" */
static bool
loadavg_parse(const char *buf, size_t len, double load[3], uint64_t *running)
{
	struct sample_scan text = { buf, buf + len };
	const char *word;
	struct sample_scan pair;
	size_t n;

	for (unsigned i = 0; i < 3; i++)
		if (!sample_scan_decimal(&text, &load[i]))
			return false;
	if (!sample_scan_word(&text, &word, &n))
		return false;
	pair.p = word;
	pair.end = memchr(word, '/', n);
	return pair.end != NULL && sample_scan_u64(&pair, running);
}

static int
loadavg_sample(struct cpu *c, const struct sample_to *to, struct bl_err *err)
{
	double load[3];
	uint64_t running;
	bool cut;
	int rc = sample_file_read(&c->loadavg, c->buf, c->size, &cut, err);

	if (rc >= 0 && !loadavg_parse(c->buf, (size_t)rc, load, &running))
		rc = bl_fail(
		    err, BL_ECORRUPT, "cpu: %s does not read as load averages", c->loadavg.path);
	if (rc < 0) {
		for (unsigned i = CPU_LOAD1; i <= CPU_RUNNING; i++)
			sample_put_unknown(
			    to, &c->handle[i], &spec[i], NULL, BL_UNKNOWN_UNREADABLE);
		return rc;
	}
	for (unsigned i = 0; i < 3; i++)
		sample_put(to, &c->handle[CPU_LOAD1 + i], &spec[CPU_LOAD1 + i], NULL, load[i]);
	sample_put(to, &c->handle[CPU_RUNNING], &spec[CPU_RUNNING], NULL, (double)running);
	return BL_OK;
}

static void
processes_sample(struct cpu *c, const struct sample_to *to)
{
	struct stat st;

	if (c->proc_base < 0)
		sample_put_unknown(to, &c->handle[CPU_PROCESSES], &spec[CPU_PROCESSES], NULL,
		    BL_UNKNOWN_UNSUPPORTED);
	else if (stat(c->proc.path, &st) < 0 || (int64_t)st.st_nlink < c->proc_base)
		sample_put_unknown(to, &c->handle[CPU_PROCESSES], &spec[CPU_PROCESSES], NULL,
		    BL_UNKNOWN_UNREADABLE);
	else
		sample_put(to, &c->handle[CPU_PROCESSES], &spec[CPU_PROCESSES], NULL,
		    (double)((int64_t)st.st_nlink - c->proc_base));
}

static int
cpu_sample(struct sampler *s, int64_t boot_ms, struct sample_sink *sink, struct bl_err *err)
{
	struct cpu *c = (struct cpu *)s;
	const struct sample_to to = { sink, c->interval_ms };
	int rc;
	int rc2;

	(void)boot_ms;
	if (!c->conf->enabled)
		return BL_OK;
	rc = stat_sample(c, &to, err);
	rc2 = loadavg_sample(c, &to, rc < 0 ? NULL : err); /* the first failure is the one told */
	processes_sample(c, &to);
	return rc < 0 ? rc : rc2;
}

const struct sampler_ops sampler_cpu = { "cpu", &cpu_section, cpu_open, cpu_sample, cpu_close };
