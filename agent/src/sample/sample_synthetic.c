/*
 * Values that prove delivery: every series puts f(series, n), so that whoever
 * receives them can check each one without a record of what was sent.
 *
 *   f(series, n) = n * 1000 + series        0 <= series < 1000
 *
 * n grows by one a tick and begins, at every start, at the boot time in ms: a
 * later start therefore never repeats an n (a tick lasts at least 1 ms).  Off
 * unless configured: for tests, load and `branchline torture`, never for a
 * real site.  The values are whole and below 2^53, hence exact as doubles.
 */
#include "sample_internal.h"

#include <stdio.h>
#include <stdlib.h>

static const struct sample_spec spec = { "synthetic", "1", BL_GAUGE, "series" };

struct synthetic {
	const struct sample_synthetic_conf *conf;
	uint32_t interval_ms;
	int64_t n; /* of the next tick; 0: none yet */
	int32_t *handle;
};

static const struct bl_conf_key synthetic_keys[] = {
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "false",
	    .offset = offsetof(struct sample_synthetic_conf, enabled),
	    .help = "put values that prove delivery (tests and load only)" },
	{ .name = "series",
	    .type = BL_CONF_INT,
	    .dflt = "10",
	    .offset = offsetof(struct sample_synthetic_conf, series),
	    .min = 1,
	    .max = 1000,
	    .help = "how many series" },
	{ 0 },
};

static const struct bl_conf_section synthetic_section = { "synthetic",
	sizeof(struct sample_synthetic_conf), synthetic_keys, NULL };

static void
synthetic_close(struct sampler *s)
{
	struct synthetic *y = (struct synthetic *)s;

	if (y != NULL)
		free(y->handle);
	free(y);
}

static int
synthetic_open(struct sampler **out, const void *conf, const char *root, uint32_t interval_ms,
    struct bl_err *err)
{
	const struct sample_synthetic_conf *c = conf;
	struct synthetic *y = calloc(1, sizeof(*y));

	(void)root;
	*out = (struct sampler *)y;
	if (y == NULL || (y->handle = calloc((size_t)c->series, sizeof(*y->handle))) == NULL) {
		synthetic_close(*out);
		*out = NULL;
		return bl_fail(err, BL_ENOMEM, "synthetic: out of memory");
	}
	y->conf = c;
	y->interval_ms = interval_ms;
	for (int64_t i = 0; i < c->series; i++)
		y->handle[i] = SAMPLE_NEW;
	return BL_OK;
}

static int
synthetic_sample(struct sampler *s, int64_t boot_ms, struct sample_sink *sink, struct bl_err *err)
{
	struct synthetic *y = (struct synthetic *)s;
	const struct sample_to to = { sink, y->interval_ms };
	char label[16];

	(void)err;
	if (!y->conf->enabled)
		return BL_OK;
	if (y->n == 0)
		y->n = boot_ms;
	for (int64_t i = 0; i < y->conf->series; i++) {
		/* The label is needed for the declaration only. */
		if (y->handle[i] == SAMPLE_NEW)
			(void)snprintf(label, sizeof(label), "%u", (unsigned)i);
		sample_put(&to, &y->handle[i], &spec, label, (double)(y->n * 1000 + i));
	}
	y->n++;
	return BL_OK;
}

const struct sampler_ops sampler_synthetic = { "synthetic", &synthetic_section, synthetic_open,
	synthetic_sample, synthetic_close };
