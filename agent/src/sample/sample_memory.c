/*
 * Memory and swap from /proc/meminfo; what swapping, faults and the OOM killer
 * did from /proc/vmstat, which costs more than all the rest and is read more
 * seldom.
 *
 * Used is what applications could not get back: total minus available.
 * Kernels before 3.14 do not tell what is available; free + buffers + cache
 * stands in for it there.  A line that is missing makes its series unknown.
 */
#include "sample_watch_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	IN_TOTAL,
	IN_FREE,
	IN_AVAILABLE,
	IN_BUFFERS,
	IN_CACHED,
	IN_SWAP_TOTAL,
	IN_SWAP_FREE,
	IN_SHARED,
	IN_SLAB,
	IN_DIRTY,
	IN_COMMITTED,
	INS,
};

static const char *const in_name[INS] = {
	"MemTotal:",
	"MemFree:",
	"MemAvailable:",
	"Buffers:",
	"Cached:",
	"SwapTotal:",
	"SwapFree:",
	"Shmem:",
	"Slab:",
	"Dirty:",
	"Committed_AS:",
};

enum {
	MEM_TOTAL,
	MEM_USED,
	MEM_AVAILABLE,
	MEM_USED_PCT,
	MEM_CACHED,
	MEM_BUFFERS,
	SWAP_TOTAL,
	SWAP_USED,
	MEM_FREE,
	MEM_SHARED,
	MEM_SLAB,
	MEM_DIRTY,
	MEM_COMMITTED,
	MEM_SERIES,
};

static const struct sample_spec spec[MEM_SERIES] = {
	{ "memory_total_bytes", "bytes", BL_GAUGE, NULL },
	{ "memory_used_bytes", "bytes", BL_GAUGE, NULL },
	{ "memory_available_bytes", "bytes", BL_GAUGE, NULL },
	{ "memory_used_pct", "pct", BL_GAUGE, NULL },
	{ "memory_cached_bytes", "bytes", BL_GAUGE, NULL },
	{ "memory_buffers_bytes", "bytes", BL_GAUGE, NULL },
	{ "swap_total_bytes", "bytes", BL_GAUGE, NULL },
	{ "swap_used_bytes", "bytes", BL_GAUGE, NULL },
	{ "memory_free_bytes", "bytes", BL_GAUGE, NULL },
	{ "memory_shared_bytes", "bytes", BL_GAUGE, NULL },
	{ "memory_slab_bytes", "bytes", BL_GAUGE, NULL },
	{ "memory_dirty_bytes", "bytes", BL_GAUGE, NULL },
	{ "memory_committed_bytes", "bytes", BL_GAUGE, NULL },
};

/* Of /proc/vmstat; a kernel that does not have one has no series of it. */
enum { EVENT_SWAP_IN, EVENT_SWAP_OUT, EVENT_FAULTS, EVENT_OOM_KILLS, EVENTS };

static const char *const event_word[EVENTS] = { "pswpin ", "pswpout ", "pgmajfault ", "oom_kill " };

static const struct sample_spec event_spec[EVENTS] = {
	{ "swap_in_bytes_total", "bytes", BL_COUNTER, NULL },
	{ "swap_out_bytes_total", "bytes", BL_COUNTER, NULL },
	{ "memory_major_faults_total", "1", BL_COUNTER, NULL },
	{ "oom_kills_total", "1", BL_COUNTER, NULL },
};

struct memory {
	const struct sample_memory_conf *conf;
	uint32_t interval_ms;
	uint32_t events_interval_ms;
	struct sample_every every; /* of the events */
	struct sample_file meminfo;
	struct sample_file vmstat;
	double page_bytes;
	int32_t handle[MEM_SERIES];
	int32_t event_handle[EVENTS];
	double event[EVENTS]; /* as put last */
	char buf[16384];      /* about 1.5 and 4 KiB on kernels of 2026 */
};

/* Numbers in bytes; a negative one is not known. */
struct reading {
	double in[INS];
};

static const struct bl_conf_key memory_keys[] = {
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_memory_conf, enabled),
	    .help = "sample memory" },
	{ .name = "swap",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_memory_conf, swap),
	    .help = "sample swap space too" },
	{ .name = "details",
	    .type = BL_CONF_BOOL,
	    .dflt = "false",
	    .offset = offsetof(struct sample_memory_conf, details),
	    .help = "also what is free, shared, dirty, committed, and the kernel's own" },
	{ .name = "events",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_memory_conf, events),
	    .help = "count swapping, major faults and OOM kills" },
	{ .name = "events_every",
	    .type = BL_CONF_DURATION,
	    .dflt = "60s",
	    .offset = offsetof(struct sample_memory_conf, every_ms),
	    .min = 1000,
	    .max = 3600000,
	    .help = "time between samples of these counts, in whole intervals" },
	{ 0 },
};

static const struct bl_conf_section memory_section = { "memory", sizeof(struct sample_memory_conf),
	memory_keys, NULL };

static void
memory_close(struct sampler *s)
{
	struct memory *m = (struct memory *)s;

	if (m == NULL)
		return;
	sample_file_close(&m->meminfo);
	sample_file_close(&m->vmstat);
	free(m);
}

static int
memory_open(struct sampler **out, const void *conf, const char *root, uint32_t interval_ms,
    struct bl_err *err)
{
	struct memory *m = calloc(1, sizeof(*m));
	int rc;

	*out = NULL;
	if (m == NULL)
		return bl_fail(err, BL_ENOMEM, "memory: out of memory");
	m->conf = conf;
	m->interval_ms = interval_ms;
	for (unsigned i = 0; i < MEM_SERIES; i++)
		m->handle[i] = SAMPLE_NEW;
	for (unsigned i = 0; i < EVENTS; i++)
		m->event_handle[i] = SAMPLE_NEW;
	m->page_bytes = (double)sysconf(_SC_PAGESIZE);
	m->events_interval_ms = sample_every_init(&m->every, m->conf->every_ms, interval_ms);
	rc = sample_file_init(&m->meminfo, root, "/proc/meminfo", err);
	if (rc == BL_OK)
		rc = sample_file_init(&m->vmstat, root, "/proc/vmstat", err);
	if (rc < 0) {
		memory_close((struct sampler *)m);
		return rc;
	}
	*out = (struct sampler *)m;
	return BL_OK;
}

/* "MemTotal:       16345678 kB" */
static void
line_parse(struct sample_scan *line, struct reading *r)
{
	uint64_t kib;

	for (unsigned i = 0; i < INS; i++) {
		if (!sample_scan_skip(line, in_name[i]))
			continue;
		if (sample_scan_u64(line, &kib) && kib <= UINT64_MAX / 1024)
			r->in[i] = (double)kib * 1024.0;
		return;
	}
}

static void
parse(const char *buf, size_t len, struct reading *r)
{
	struct sample_scan text = { buf, buf + len };
	struct sample_scan line;

	for (unsigned i = 0; i < INS; i++)
		r->in[i] = -1;
	while (sample_scan_line(&text, &line))
		line_parse(&line, r);
	if (r->in[IN_AVAILABLE] < 0 && r->in[IN_FREE] >= 0 && r->in[IN_BUFFERS] >= 0 &&
	    r->in[IN_CACHED] >= 0)
		r->in[IN_AVAILABLE] = r->in[IN_FREE] + r->in[IN_BUFFERS] + r->in[IN_CACHED];
}

/* whole - part, or not known. */
static double
without(double whole, double part)
{
	if (whole < 0 || part < 0)
		return -1;
	return whole > part ? whole - part : 0;
}

static void
put_all(struct memory *m, const struct reading *r, const struct sample_to *to)
{
	const double used = without(r->in[IN_TOTAL], r->in[IN_AVAILABLE]);
	const double value[MEM_SERIES] = {
		[MEM_TOTAL] = r->in[IN_TOTAL],
		[MEM_USED] = used,
		[MEM_AVAILABLE] = r->in[IN_AVAILABLE],
		[MEM_USED_PCT] =
		    used < 0 || r->in[IN_TOTAL] <= 0 ? -1 : sample_pct(used, r->in[IN_TOTAL]),
		[MEM_CACHED] = r->in[IN_CACHED],
		[MEM_BUFFERS] = r->in[IN_BUFFERS],
		[SWAP_TOTAL] = r->in[IN_SWAP_TOTAL],
		[SWAP_USED] = without(r->in[IN_SWAP_TOTAL], r->in[IN_SWAP_FREE]),
		[MEM_FREE] = r->in[IN_FREE],
		[MEM_SHARED] = r->in[IN_SHARED],
		[MEM_SLAB] = r->in[IN_SLAB],
		[MEM_DIRTY] = r->in[IN_DIRTY],
		[MEM_COMMITTED] = r->in[IN_COMMITTED],
	};

	for (unsigned i = 0; i < MEM_SERIES; i++) {
		if (i >= MEM_FREE ? !m->conf->details : i >= SWAP_TOTAL && !m->conf->swap)
			continue;
		if (value[i] < 0)
			sample_put_unknown(
			    to, &m->handle[i], &spec[i], NULL, BL_UNKNOWN_UNREADABLE);
		else
			sample_put(to, &m->handle[i], &spec[i], NULL, value[i]);
	}
}

/* ---- /proc/vmstat ---- */

static void
event_line(struct memory *m, struct sample_scan *line, bool put[EVENTS], const struct sample_to *to)
{
	uint64_t n;

	for (unsigned i = 0; i < EVENTS; i++) {
		const bool pages = i == EVENT_SWAP_IN || i == EVENT_SWAP_OUT;

		if (!sample_scan_skip(line, event_word[i]))
			continue;
		if ((!pages || m->conf->swap) && !put[i] && sample_scan_u64(line, &n)) {
			put[i] = true;
			sample_put(to, &m->event_handle[i], &event_spec[i], NULL,
			    sample_counter(&m->event[i], (double)n * (pages ? m->page_bytes : 1)));
		}
		return;
	}
}

static int
events_sample(struct memory *m, struct sample_sink *sink, struct bl_err *err)
{
	const struct sample_to to = { sink, m->events_interval_ms };
	struct bl_err why = { 0 };
	bool put[EVENTS] = { false };
	struct sample_scan text;
	struct sample_scan line;
	bool cut;
	const int rc = sample_file_read(&m->vmstat, m->buf, sizeof(m->buf), &cut, &why);

	text = (struct sample_scan){ m->buf, m->buf + (rc < 0 ? 0 : rc) };
	while (sample_scan_line(&text, &line))
		event_line(m, &line, put, &to);
	for (unsigned i = 0; i < EVENTS; i++)
		if (!put[i])
			sample_put_lost(&to, m->event_handle[i]);
	return sample_file_result(rc, &why, err);
}

static int
meminfo_sample(struct memory *m, const struct sample_to *to, struct bl_err *err)
{
	struct reading r;
	bool cut;
	const int rc = sample_file_read(&m->meminfo, m->buf, sizeof(m->buf), &cut, err);

	parse(m->buf, rc < 0 ? 0 : (size_t)rc, &r);
	put_all(m, &r, to);
	if (rc >= 0 && r.in[IN_TOTAL] < 0)
		return bl_fail(
		    err, BL_ECORRUPT, "memory: %s has no line \"MemTotal\"", m->meminfo.path);
	return rc < 0 ? rc : BL_OK;
}

static int
memory_sample(struct sampler *s, int64_t boot_ms, struct sample_sink *sink, struct bl_err *err)
{
	struct memory *m = (struct memory *)s;
	const struct sample_to to = { sink, m->interval_ms };
	int rc;
	int rc2 = BL_OK;

	if (!m->conf->enabled)
		return BL_OK;
	rc = meminfo_sample(m, &to, err);
	if (m->conf->events && sample_every_due(&m->every, boot_ms))
		rc2 = events_sample(m, sink, rc < 0 ? NULL : err);
	return rc < 0 ? rc : rc2;
}

const struct sampler_ops sampler_memory = { "memory", &memory_section, memory_open, memory_sample,
	memory_close };
