/*
 * Time: does somebody keep this machine's clock right, and how sure is that?
 *
 * Asked of the kernel (adjtimex, which changes nothing), so it does not matter
 * who keeps it: chrony, ntpd, systemd-timesyncd, ptp4l.  The kernel itself takes
 * "synchronised" back when nothing corrected the clock for so long that it may
 * be wrong by 16 s.
 *
 * The offset is what the kernel still has to work off.  chrony steers by
 * frequency alone, so with it the offset is always 0 and the error is what
 * tells; without a source there is no offset and no estimate: unknown,
 * not 0.
 */
#include "sample_watch_internal.h"

#include <math.h>
#include <stdlib.h>
#include <sys/timex.h>

static const struct sample_spec spec[TIME_SERIES] = {
	{ "time_synchronised", "1", BL_GAUGE, NULL },
	{ "time_offset_ms", "ms", BL_GAUGE, NULL },
	{ "time_error_max_ms", "ms", BL_GAUGE, NULL },
	{ "time_error_estimated_ms", "ms", BL_GAUGE, NULL },
	{ "time_frequency_ppm", "ppm", BL_GAUGE, NULL },
};

struct time_sampler {
	const struct sample_time_conf *conf;
	uint32_t interval_ms;
	struct sample_every every;
	int32_t handle[TIME_SERIES];
};

static const struct bl_conf_key time_keys[] = {
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_time_conf, enabled),
	    .help = "sample whether this machine's clock is kept right" },
	{ .name = "every",
	    .type = BL_CONF_DURATION,
	    .dflt = "60s",
	    .offset = offsetof(struct sample_time_conf, every_ms),
	    .min = 1000,
	    .max = 3600000,
	    .help = "time between its samples, in whole intervals" },
	{ 0 },
};

static const struct bl_conf_section time_section = { "time", sizeof(struct sample_time_conf),
	time_keys, NULL };

static int
time_open(struct sampler **out, const void *conf, const char *root, uint32_t interval_ms,
    struct bl_err *err)
{
	struct time_sampler *t = calloc(1, sizeof(*t));

	(void)root;
	*out = (struct sampler *)t;
	if (t == NULL)
		return bl_fail(err, BL_ENOMEM, "time: out of memory");
	t->conf = conf;
	t->interval_ms = sample_every_init(&t->every, t->conf->every_ms, interval_ms);
	for (unsigned i = 0; i < TIME_SERIES; i++)
		t->handle[i] = SAMPLE_NEW;
	return BL_OK;
}

void
sample_time_values(const struct timex *t, int state, double value[TIME_SERIES])
{
	const bool synchronised = state != TIME_ERROR && (t->status & STA_UNSYNC) == 0;

	value[TIME_SYNCHRONISED] = synchronised ? 1 : 0;
	value[TIME_OFFSET] = NAN;
	value[TIME_ERROR_ESTIMATED] = NAN;
	value[TIME_ERROR_MAX] = sample_round3((double)t->maxerror / 1e3);
	/* ppm with a fraction of 16 bits */
	value[TIME_FREQUENCY] = sample_round3((double)t->freq / 65536.0);
	if (!synchronised)
		return;
	value[TIME_OFFSET] =
	    sample_round3((double)t->offset / ((t->status & STA_NANO) != 0 ? 1e6 : 1e3));
	value[TIME_ERROR_ESTIMATED] = sample_round3((double)t->esterror / 1e3);
}

static int
time_sample(struct sampler *s, int64_t boot_ms, struct sample_sink *sink, struct bl_err *err)
{
	struct time_sampler *t = (struct time_sampler *)s;
	const struct sample_to to = { sink, t->interval_ms };
	struct timex now = { .modes = 0 };
	double value[TIME_SERIES];
	int state;

	if (!t->conf->enabled || !sample_every_due(&t->every, boot_ms))
		return BL_OK;
	state = adjtimex(&now);
	if (state < 0) {
		for (unsigned i = 0; i < TIME_SERIES; i++)
			sample_put_unknown(
			    &to, &t->handle[i], &spec[i], NULL, BL_UNKNOWN_UNREADABLE);
		return bl_fail_errno(err, BL_EIO, "time: ask the kernel for the clock's state");
	}
	sample_time_values(&now, state, value);
	for (unsigned i = 0; i < TIME_SERIES; i++)
		sample_put_known(&to, &t->handle[i], &spec[i], NULL, value[i]);
	return BL_OK;
}

static void
time_close(struct sampler *s)
{
	free((struct time_sampler *)s);
}

const struct sampler_ops sampler_time = { "time", &time_section, time_open, time_sample,
	time_close };
