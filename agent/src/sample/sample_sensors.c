/*
 * Sensors: temperature, fans and power of chips, thermal zones, batteries and
 * mains.
 *
 * Some chips hang on slow buses and take milliseconds to answer, so they are
 * read once a minute by default; which ones there are is looked up every ten
 * minutes, and at once after one could not be read.  One that is gone is
 * unknown for ten minutes and then forgotten.  A machine without sensors has no
 * series of them.  What finds the table full, or a folder too large, is counted
 * in sensors_skipped.
 */
#include "sample_watch_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIND_EVERY_MS (10 * 60 * 1000)

static const struct sample_spec spec[SENSOR_KINDS] = {
	[SENSOR_TEMPERATURE] = { "temperature_celsius", "celsius", BL_GAUGE, "sensor" },
	[SENSOR_FAN] = { "fan_rpm", "rpm", BL_GAUGE, "sensor" },
	[SENSOR_POWER] = { "power_watts", "watt", BL_GAUGE, "sensor" },
	[SENSOR_CHARGE] = { "battery_charge_pct", "pct", BL_GAUGE, "supply" },
	[SENSOR_BATTERY_POWER] = { "battery_power_watts", "watt", BL_GAUGE, "supply" },
	[SENSOR_DISCHARGING] = { "battery_discharging", "1", BL_GAUGE, "supply" },
	[SENSOR_ONLINE] = { "power_online", "1", BL_GAUGE, "supply" },
};

/* What the kernel's whole numbers are of. */
static const double unit_of[SENSOR_KINDS] = {
	[SENSOR_TEMPERATURE] = 1e3,
	[SENSOR_FAN] = 1,
	[SENSOR_POWER] = 1e6,
	[SENSOR_CHARGE] = 1,
	[SENSOR_BATTERY_POWER] = 1e6,
	[SENSOR_DISCHARGING] = 1,
	[SENSOR_ONLINE] = 1,
};

static const struct sample_spec skipped_spec = { "sensors_skipped", "1", BL_GAUGE, NULL };

struct sensor {
	char label[BL_LABEL_VALUE_MAX + 1]; /* empty: free */
	char path[256];
	enum sample_sensor_kind kind;
	bool seen;            /* when they were last looked up */
	int64_t gone_boot_ms; /* since when it is not; 0: it is there */
	int32_t handle;
};

struct sensors {
	const struct sample_sensors_conf *conf;
	uint32_t interval_ms;
	struct sample_every every;
	char *root;            /* owned */
	struct sensor *sensor; /* owned */
	unsigned max;
	unsigned skipped;
	int32_t skipped_handle;
	int64_t found_boot_ms;
	bool find;
};

static const struct bl_conf_key sensors_keys[] = {
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_sensors_conf, enabled),
	    .help = "sample temperature, fans, power and batteries, where the kernel shows them" },
	{ .name = "every",
	    .type = BL_CONF_DURATION,
	    .dflt = "60s",
	    .offset = offsetof(struct sample_sensors_conf, every_ms),
	    .min = 1000,
	    .max = 3600000,
	    .help = "time between their samples, in whole intervals" },
	{ .name = "include",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct sample_sensors_conf, include),
	    .max = 64,
	    .help = "only these sensors and supplies (wildcards * and ?)" },
	{ .name = "exclude",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct sample_sensors_conf, exclude),
	    .max = 64,
	    .help = "not these sensors and supplies (wildcards * and ?)" },
	{ .name = "max_sensors",
	    .type = BL_CONF_INT,
	    .dflt = "32",
	    .offset = offsetof(struct sample_sensors_conf, max_sensors),
	    .min = 1,
	    .max = 256,
	    .help = "most sensors; further ones are counted in sensors_skipped" },
	{ 0 },
};

static const struct bl_conf_section sensors_section = { "sensors",
	sizeof(struct sample_sensors_conf), sensors_keys, NULL };

static void
sensors_close(struct sampler *s)
{
	struct sensors *n = (struct sensors *)s;

	if (n == NULL)
		return;
	free(n->root);
	free(n->sensor);
	free(n);
}

static int
sensors_open(struct sampler **out, const void *conf, const char *root, uint32_t interval_ms,
    struct bl_err *err)
{
	struct sensors *n = calloc(1, sizeof(*n));

	*out = NULL;
	if (n == NULL)
		return bl_fail(err, BL_ENOMEM, "sensors: out of memory");
	n->conf = conf;
	n->max = (unsigned)n->conf->max_sensors;
	n->skipped_handle = SAMPLE_NEW;
	n->find = true;
	n->interval_ms = sample_every_init(&n->every, n->conf->every_ms, interval_ms);
	n->root = strdup(root);
	n->sensor = calloc(n->max, sizeof(*n->sensor));
	if (n->root == NULL || n->sensor == NULL) {
		sensors_close((struct sampler *)n);
		return bl_fail(err, BL_ENOMEM, "sensors: out of memory");
	}
	*out = (struct sampler *)n;
	return BL_OK;
}

/* ---- which there are ---- */

static struct sensor *
sensor_place(struct sensors *n, enum sample_sensor_kind kind, const char *label)
{
	struct sensor *unused = NULL;

	for (unsigned i = 0; i < n->max; i++) {
		struct sensor *s = &n->sensor[i];

		if (s->label[0] == '\0')
			unused = unused != NULL ? unused : s;
		else if (s->kind == kind && strcmp(s->label, label) == 0)
			return s;
	}
	if (unused != NULL) {
		memcpy(unused->label, label, strlen(label) + 1);
		unused->kind = kind;
		unused->handle = SAMPLE_NEW;
		unused->seen = false;
	}
	return unused;
}

static void
found(void *ctx, enum sample_sensor_kind kind, const char *label, const char *path)
{
	struct sensors *n = ctx;
	struct sensor *s;

	if (sample_glob_any(&n->conf->exclude, label) ||
	    (n->conf->include.n > 0 && !sample_glob_any(&n->conf->include, label)))
		return;
	if (strlen(path) >= sizeof(s->path) || !sample_label_valid(label, strlen(label)) ||
	    (s = sensor_place(n, kind, label)) == NULL || s->seen) {
		n->skipped++; /* no room, no fit label, or two that are called the same */
		return;
	}
	memcpy(s->path, path, strlen(path) + 1);
	s->seen = true;
	s->gone_boot_ms = 0;
}

static void
find_all(struct sensors *n, int64_t boot_ms)
{
	struct sample_sensors_found f = { found, n, 0 };

	n->skipped = 0;
	n->find = false;
	n->found_boot_ms = boot_ms;
	for (unsigned i = 0; i < n->max; i++)
		n->sensor[i].seen = false;
	sample_sensors_find(n->root, &f);
	n->skipped += f.left_out;
	for (unsigned i = 0; i < n->max; i++)
		if (!n->sensor[i].seen && n->sensor[i].gone_boot_ms == 0)
			n->sensor[i].gone_boot_ms = boot_ms;
}

/* ---- one of them ---- */

/* A whole number, maybe negative, or what a battery does.  NaN: not known. */
static double
text_value(enum sample_sensor_kind kind, const char *text)
{
	const bool negative = text[0] == '-';
	struct sample_scan scan = { text + (negative ? 1 : 0), text + strlen(text) };
	uint64_t v;

	if (kind == SENSOR_DISCHARGING) {
		if (strcmp(text, "Unknown") == 0)
			return NAN;
		return strcmp(text, "Discharging") == 0 ? 1 : 0;
	}
	if (!sample_scan_u64(&scan, &v) || v > UINT32_MAX)
		return NAN;
	return sample_round3((negative ? -(double)v : (double)v) / unit_of[kind]);
}

static void
sensor_sample(struct sensors *n, struct sensor *s, const struct sample_to *to, int64_t boot_ms)
{
	char path[1280];
	char text[64];
	const int len = snprintf(path, sizeof(path), "%s%s", n->root, s->path);
	double value = NAN;

	if (s->gone_boot_ms != 0 && boot_ms - s->gone_boot_ms >= SAMPLE_GONE_MS) {
		s->label[0] = '\0';
		return;
	}
	if (s->gone_boot_ms == 0 && len > 0 && (size_t)len < sizeof(path)) {
		if (sample_text_read(path, text, sizeof(text)))
			value = text_value(s->kind, text);
		else
			n->find = true;
	}
	sample_put_known(to, &s->handle, &spec[s->kind], s->label, value);
}

static int
sensors_sample(struct sampler *s, int64_t boot_ms, struct sample_sink *sink, struct bl_err *err)
{
	struct sensors *n = (struct sensors *)s;
	const struct sample_to to = { sink, n->interval_ms };

	(void)err;
	if (!n->conf->enabled || !sample_every_due(&n->every, boot_ms))
		return BL_OK;
	if (n->find || boot_ms - n->found_boot_ms >= FIND_EVERY_MS)
		find_all(n, boot_ms);
	for (unsigned i = 0; i < n->max; i++)
		if (n->sensor[i].label[0] != '\0')
			sensor_sample(n, &n->sensor[i], &to, boot_ms);
	sample_put_left_out(&to, &n->skipped_handle, &skipped_spec, n->skipped);
	return BL_OK;
}

const struct sampler_ops sampler_sensors = { "sensors", &sensors_section, sensors_open,
	sensors_sample, sensors_close };
