/*
 * Pressure (PSI): how much of the time tasks waited for CPU, memory or disks.
 *
 * From /proc/pressure.  `some` is the share of time in which at least one task
 * waited, `full` that in which all of them did; for the CPU of a whole machine
 * the kernel keeps `full` at zero, so it is left out.  The share is the
 * kernel's own moving average, the totals are its counters of microseconds,
 * from which the share over any span can be had exactly.
 *
 * A kernel without PSI (before 4.20, or started with psi=0) has no such series
 * at all; where they were once, they become unknown.
 */
#include "sample_watch_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RESOURCES = 3 };

static const char *const resource_name[RESOURCES] = { "cpu", "memory", "io" };
static const char *const resource_path[RESOURCES] = {
	"/proc/pressure/cpu",
	"/proc/pressure/memory",
	"/proc/pressure/io",
};

enum { SOME_PCT, SOME_TOTAL, FULL_PCT, FULL_TOTAL, PRESSURE_SERIES };

static const struct sample_spec spec[PRESSURE_SERIES] = {
	{ "pressure_some_pct", "pct", BL_GAUGE, "resource" },
	{ "pressure_some_us_total", "us", BL_COUNTER, "resource" },
	{ "pressure_full_pct", "pct", BL_GAUGE, "resource" },
	{ "pressure_full_us_total", "us", BL_COUNTER, "resource" },
};

struct pressure {
	const struct sample_pressure_conf *conf;
	uint32_t interval_ms;
	struct sample_every every;
	struct sample_file file[RESOURCES];
	int32_t handle[RESOURCES][PRESSURE_SERIES];
};

static const char *const averages[] = { "10s", "60s", "300s", NULL };
static const char *const average_word[] = { "avg10=", "avg60=", "avg300=" };

static const struct bl_conf_key pressure_keys[] = {
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_pressure_conf, enabled),
	    .help = "sample how much tasks wait for CPU, memory and disks (PSI)" },
	{ .name = "average",
	    .type = BL_CONF_ENUM,
	    .dflt = "60s",
	    .offset = offsetof(struct sample_pressure_conf, average),
	    .choices = averages,
	    .help = "over how long the kernel's moving average goes" },
	{ .name = "every",
	    .type = BL_CONF_DURATION,
	    .dflt = "60s",
	    .offset = offsetof(struct sample_pressure_conf, every_ms),
	    .min = 1000,
	    .max = 3600000,
	    .help = "time between its samples, in whole intervals" },
	{ 0 },
};

static const struct bl_conf_section pressure_section = { "pressure",
	sizeof(struct sample_pressure_conf), pressure_keys, NULL };

static void
pressure_close(struct sampler *s)
{
	struct pressure *p = (struct pressure *)s;

	if (p == NULL)
		return;
	for (unsigned i = 0; i < RESOURCES; i++)
		sample_file_close(&p->file[i]);
	free(p);
}

static int
pressure_open(struct sampler **out, const void *conf, const char *root, uint32_t interval_ms,
    struct bl_err *err)
{
	struct pressure *p = calloc(1, sizeof(*p));
	int rc = BL_OK;

	*out = NULL;
	if (p == NULL)
		return bl_fail(err, BL_ENOMEM, "pressure: out of memory");
	p->conf = conf;
	p->interval_ms = sample_every_init(&p->every, p->conf->every_ms, interval_ms);
	for (unsigned i = 0; i < RESOURCES; i++)
		for (unsigned k = 0; k < PRESSURE_SERIES; k++)
			p->handle[i][k] = SAMPLE_NEW;
	for (unsigned i = 0; i < RESOURCES && rc == BL_OK; i++)
		rc = sample_file_init(&p->file[i], root, resource_path[i], err);
	if (rc < 0) {
		pressure_close((struct sampler *)p);
		return rc;
	}
	*out = (struct sampler *)p;
	return BL_OK;
}

/* " avg10=1.42 avg60=3.71 avg300=5.76 total=33411703080"; what is not there stays as it was. */
static void
line_parse(struct sample_scan *line, const char *average, double *pct, double *total)
{
	const char *word;
	size_t len;

	while (sample_scan_word(line, &word, &len)) {
		struct sample_scan one = { word, word + len };
		uint64_t us;

		if (sample_scan_skip(&one, average))
			(void)sample_scan_decimal(&one, pct);
		else if (sample_scan_skip(&one, "total=") && sample_scan_u64(&one, &us))
			*total = (double)us;
	}
}

/* NaN: not known.  *full: there is such a line. */
static void
text_parse(
    const char *buf, size_t len, const char *average, double value[PRESSURE_SERIES], bool *full)
{
	struct sample_scan text = { buf, buf + len };
	struct sample_scan line;

	*full = false;
	for (unsigned k = 0; k < PRESSURE_SERIES; k++)
		value[k] = NAN;
	while (sample_scan_line(&text, &line)) {
		if (sample_scan_skip(&line, "some ")) {
			line_parse(&line, average, &value[SOME_PCT], &value[SOME_TOTAL]);
		} else if (sample_scan_skip(&line, "full ")) {
			*full = true;
			line_parse(&line, average, &value[FULL_PCT], &value[FULL_TOTAL]);
		}
	}
}

static int
resource_sample(struct pressure *p, unsigned i, const struct sample_to *to, struct bl_err *err)
{
	struct bl_err why = { 0 };
	double value[PRESSURE_SERIES];
	char buf[512]; /* two lines of some 60 bytes */
	bool full;
	bool cut;
	const int rc = sample_file_read(&p->file[i], buf, sizeof(buf), &cut, &why);

	if (rc < 0) {
		for (unsigned k = 0; k < PRESSURE_SERIES; k++)
			sample_put_lost(to, p->handle[i][k]);
		return sample_file_result(rc, &why, err);
	}
	text_parse(buf, (size_t)rc, average_word[p->conf->average], value, &full);
	full = (full || p->handle[i][FULL_PCT] >= 0) && i != 0;
	for (unsigned k = 0; k < (full ? PRESSURE_SERIES : FULL_PCT); k++)
		sample_put_known(to, &p->handle[i][k], &spec[k], resource_name[i], value[k]);
	if (isnan(value[SOME_TOTAL]))
		return bl_fail(
		    err, BL_ECORRUPT, "pressure: %s does not read as pressure", p->file[i].path);
	return BL_OK;
}

static int
pressure_sample(struct sampler *s, int64_t boot_ms, struct sample_sink *sink, struct bl_err *err)
{
	struct pressure *p = (struct pressure *)s;
	const struct sample_to to = { sink, p->interval_ms };
	int rc = BL_OK;

	if (!p->conf->enabled || !sample_every_due(&p->every, boot_ms))
		return BL_OK;
	for (unsigned i = 0; i < RESOURCES; i++) {
		const int one = resource_sample(p, i, &to, rc < 0 ? NULL : err);

		if (rc == BL_OK)
			rc = one;
	}
	return rc;
}

const struct sampler_ops sampler_pressure = { "pressure", &pressure_section, pressure_open,
	pressure_sample, pressure_close };
