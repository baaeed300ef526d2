/*
 * What the kernel has only so much of: open files, and entropy.
 *
 * Values of /proc/sys cost far more than those of /proc (0.2 ms each on a
 * machine with LSM hooks), so they are read every five minutes by default.
 */
#include "sample_watch_internal.h"

#include <math.h>
#include <stdlib.h>

enum { KERNEL_FILES, KERNEL_FILES_MAX, KERNEL_ENTROPY, KERNEL_SERIES };

static const struct sample_spec spec[KERNEL_SERIES] = {
	{ "kernel_open_files", "1", BL_GAUGE, NULL },
	{ "kernel_open_files_max", "1", BL_GAUGE, NULL },
	{ "kernel_entropy_bits", "1", BL_GAUGE, NULL },
};

struct kernel {
	const struct sample_kernel_conf *conf;
	uint32_t interval_ms;
	struct sample_every every;
	struct sample_file files;
	struct sample_file entropy;
	int32_t handle[KERNEL_SERIES];
};

static const struct bl_conf_key kernel_keys[] = {
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_kernel_conf, enabled),
	    .help = "sample the kernel's open files and entropy" },
	{ .name = "every",
	    .type = BL_CONF_DURATION,
	    .dflt = "5m",
	    .offset = offsetof(struct sample_kernel_conf, every_ms),
	    .min = 1000,
	    .max = 3600000,
	    .help = "time between its samples, in whole intervals" },
	{ 0 },
};

static const struct bl_conf_section kernel_section = { "kernel", sizeof(struct sample_kernel_conf),
	kernel_keys, NULL };

static void
kernel_close(struct sampler *s)
{
	struct kernel *k = (struct kernel *)s;

	if (k == NULL)
		return;
	sample_file_close(&k->files);
	sample_file_close(&k->entropy);
	free(k);
}

static int
kernel_open(struct sampler **out, const void *conf, const char *root, uint32_t interval_ms,
    struct bl_err *err)
{
	struct kernel *k = calloc(1, sizeof(*k));
	int rc;

	*out = NULL;
	if (k == NULL)
		return bl_fail(err, BL_ENOMEM, "kernel: out of memory");
	k->conf = conf;
	k->interval_ms = sample_every_init(&k->every, k->conf->every_ms, interval_ms);
	for (unsigned i = 0; i < KERNEL_SERIES; i++)
		k->handle[i] = SAMPLE_NEW;
	rc = sample_file_init(&k->files, root, "/proc/sys/fs/file-nr", err);
	if (rc == BL_OK)
		rc = sample_file_init(
		    &k->entropy, root, "/proc/sys/kernel/random/entropy_avail", err);
	if (rc < 0) {
		kernel_close((struct sampler *)k);
		return rc;
	}
	*out = (struct sampler *)k;
	return BL_OK;
}

/* The first n numbers of the file into v, NaN where there is none. */
static int
numbers_read(struct sample_file *f, double *v, unsigned n, struct bl_err *err)
{
	struct bl_err why = { 0 };
	struct sample_scan text;
	char buf[128];
	uint64_t one;
	bool cut;
	const int rc = sample_file_read(f, buf, sizeof(buf), &cut, &why);

	text = (struct sample_scan){ buf, buf + (rc < 0 ? 0 : rc) };
	for (unsigned i = 0; i < n; i++)
		v[i] = sample_scan_u64(&text, &one) ? (double)one : NAN;
	if (rc >= 0 && isnan(v[n - 1]))
		return bl_fail(
		    err, BL_ECORRUPT, "kernel: %s does not read as %u numbers", f->path, n);
	return sample_file_result(rc, &why, err);
}

static int
kernel_sample(struct sampler *s, int64_t boot_ms, struct sample_sink *sink, struct bl_err *err)
{
	struct kernel *k = (struct kernel *)s;
	const struct sample_to to = { sink, k->interval_ms };
	double value[KERNEL_SERIES];
	double files[3]; /* allocated, free (0 since 2.6), most */
	int rc;
	int rc2;

	if (!k->conf->enabled || !sample_every_due(&k->every, boot_ms))
		return BL_OK;
	rc = numbers_read(&k->files, files, 3, err);
	rc2 = numbers_read(&k->entropy, &value[KERNEL_ENTROPY], 1, rc < 0 ? NULL : err);
	value[KERNEL_FILES] = files[0] - files[1];
	/* What systemd sets (2^63 - 1) is no limit. */
	value[KERNEL_FILES_MAX] = files[2] < 9e15 ? files[2] : NAN;
	for (unsigned i = 0; i < KERNEL_SERIES; i++) {
		if (isnan(value[i]))
			sample_put_lost(&to, k->handle[i]);
		else
			sample_put(&to, &k->handle[i], &spec[i], NULL, value[i]);
	}
	return rc < 0 ? rc : rc2;
}

const struct sampler_ops sampler_kernel = { "kernel", &kernel_section, kernel_open, kernel_sample,
	kernel_close };
