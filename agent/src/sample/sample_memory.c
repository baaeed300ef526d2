/*
 * Memory and swap from /proc/meminfo.
 *
 * Used is what applications could not get back: total minus available.
 * Kernels before 3.14 do not tell what is available; free + buffers + cache
 * stands in for it there.  A line that is missing makes its series unknown.
 */
#include "sample_internal.h"

#include <stdlib.h>
#include <string.h>

enum { IN_TOTAL, IN_FREE, IN_AVAILABLE, IN_BUFFERS, IN_CACHED, IN_SWAP_TOTAL, IN_SWAP_FREE, INS };

static const char *const in_name[INS] = {
	"MemTotal:",
	"MemFree:",
	"MemAvailable:",
	"Buffers:",
	"Cached:",
	"SwapTotal:",
	"SwapFree:",
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
};

struct memory {
	const struct sample_memory_conf *conf;
	uint32_t interval_ms;
	struct sample_file meminfo;
	int32_t handle[MEM_SERIES];
	char buf[8192]; /* about 1.5 KiB on kernels of 2026 */
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
	if ((rc = sample_file_init(&m->meminfo, root, "/proc/meminfo", err)) < 0) {
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
	};
	const unsigned n = m->conf->swap ? MEM_SERIES : SWAP_TOTAL;

	for (unsigned i = 0; i < n; i++) {
		if (value[i] < 0)
			sample_put_unknown(
			    to, &m->handle[i], &spec[i], NULL, BL_UNKNOWN_UNREADABLE);
		else
			sample_put(to, &m->handle[i], &spec[i], NULL, value[i]);
	}
}

static int
memory_sample(struct sampler *s, int64_t boot_ms, struct sample_sink *sink, struct bl_err *err)
{
	struct memory *m = (struct memory *)s;
	const struct sample_to to = { sink, m->interval_ms };
	struct reading r;
	bool cut;
	int rc;

	(void)boot_ms;
	if (!m->conf->enabled)
		return BL_OK;
	rc = sample_file_read(&m->meminfo, m->buf, sizeof(m->buf), &cut, err);
	parse(m->buf, rc < 0 ? 0 : (size_t)rc, &r);
	put_all(m, &r, &to);
	if (rc >= 0 && r.in[IN_TOTAL] < 0)
		return bl_fail(
		    err, BL_ECORRUPT, "memory: %s has no line \"MemTotal\"", m->meminfo.path);
	return rc < 0 ? rc : BL_OK;
}

const struct sampler_ops sampler_memory = { "memory", &memory_section, memory_open, memory_sample,
	memory_close };
