/*
 * Uptime: whole seconds since this boot.
 *
 * Taken from the tick's own boot time (CLOCK_BOOTTIME, which is what
 * /proc/uptime prints): no file, cannot fail, and is exactly consistent with
 * the stamp of the sample.  Whole seconds, so that the codec stores a constant
 * step.
 */
#include "sample_internal.h"

#include <stdlib.h>

static const struct sample_spec spec = { "uptime_s", "s", BL_GAUGE, NULL };

struct uptime {
	const struct sample_uptime_conf *conf;
	uint32_t interval_ms;
	int32_t handle;
};

static const struct bl_conf_key uptime_keys[] = {
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_uptime_conf, enabled),
	    .help = "sample how long the machine has been up" },
	{ 0 },
};

static const struct bl_conf_section uptime_section = { "uptime", sizeof(struct sample_uptime_conf),
	uptime_keys, NULL };

static int
uptime_open(struct sampler **out, const void *conf, const char *root, uint32_t interval_ms,
    struct bl_err *err)
{
	struct uptime *u = calloc(1, sizeof(*u));

	(void)root;
	*out = (struct sampler *)u;
	if (u == NULL)
		return bl_fail(err, BL_ENOMEM, "uptime: out of memory");
	u->conf = conf;
	u->interval_ms = interval_ms;
	u->handle = SAMPLE_NEW;
	return BL_OK;
}

static int
uptime_sample(struct sampler *s, int64_t boot_ms, struct sample_sink *sink, struct bl_err *err)
{
	struct uptime *u = (struct uptime *)s;
	const struct sample_to to = { sink, u->interval_ms };

	(void)err;
	if (u->conf->enabled)
		sample_put(&to, &u->handle, &spec, NULL, (double)(boot_ms / 1000));
	return BL_OK;
}

static void
uptime_close(struct sampler *s)
{
	free((struct uptime *)s);
}

const struct sampler_ops sampler_uptime = { "uptime", &uptime_section, uptime_open, uptime_sample,
	uptime_close };
