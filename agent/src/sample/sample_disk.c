/*
 * Disks: space and inodes per mount, counters per device.
 *
 * The table of mounts is read again only when the kernel says that it changed
 * (poll on mountinfo); under a test's root it is read at every tick.  statvfs
 * is called on local file systems alone (see sample_mounts.c).  Used percent is
 * what df shows: of what an ordinary user may fill.
 */
#include "sample_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#define DISK_BYTES (256 * 1024) /* of text, about 2,000 mounts; untouched pages cost nothing */

enum { MOUNT_TOTAL, MOUNT_USED, MOUNT_USED_PCT, MOUNT_INODES_PCT, MOUNT_SERIES };

static const struct sample_spec mount_spec[MOUNT_SERIES] = {
	{ "disk_total_bytes", "bytes", BL_GAUGE, "mount" },
	{ "disk_used_bytes", "bytes", BL_GAUGE, "mount" },
	{ "disk_used_pct", "pct", BL_GAUGE, "mount" },
	{ "disk_inodes_used_pct", "pct", BL_GAUGE, "mount" },
};

static const struct sample_spec mounts_skipped = { "disk_mounts_skipped", "1", BL_GAUGE, NULL };
static const struct sample_spec devices_skipped = { "disk_devices_skipped", "1", BL_GAUGE, NULL };

struct disk {
	const struct sample_disk_conf *conf;
	uint32_t interval_ms;
	struct sample_file mountinfo;
	struct sample_file diskstats;
	struct sample_table mounts;
	struct sample_table devices;
	char *root; /* owned */
	bool scanned;
	bool always; /* scan at every tick: a plain file does not tell that it changed */
	char *buf;
};

static const struct bl_conf_key disk_keys[] = {
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_disk_conf, enabled),
	    .help = "sample space and inodes of local file systems" },
	{ .name = "io",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_disk_conf, io),
	    .help = "sample the counters of whole disks too" },
	{ .name = "types",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct sample_disk_conf, types),
	    .max = 16,
	    .help =
		"further types of file system that are local and never hang (fuseblk, tmpfs ...)" },
	{ .name = "include",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct sample_disk_conf, include),
	    .max = 64,
	    .help = "only these mount points (wildcards * and ?)" },
	{ .name = "exclude",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct sample_disk_conf, exclude),
	    .max = 64,
	    .help = "not these mount points (wildcards * and ?)" },
	{ .name = "include_devices",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct sample_disk_conf, include_devices),
	    .max = 64,
	    .help =
		"counters of these devices only (wildcards), of whatever kind (dm-*, md* ...)" },
	{ .name = "exclude_devices",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct sample_disk_conf, exclude_devices),
	    .max = 64,
	    .help = "no counters of these devices (wildcards * and ?)" },
	{ .name = "max_mounts",
	    .type = BL_CONF_INT,
	    .dflt = "32",
	    .offset = offsetof(struct sample_disk_conf, max_mounts),
	    .min = 1,
	    .max = 256,
	    .help = "most file systems; further ones are counted in disk_mounts_skipped" },
	{ .name = "max_devices",
	    .type = BL_CONF_INT,
	    .dflt = "32",
	    .offset = offsetof(struct sample_disk_conf, max_devices),
	    .min = 1,
	    .max = 256,
	    .help = "most devices; further ones are counted in disk_devices_skipped" },
	{ 0 },
};

static const struct bl_conf_section disk_section = { "disk", sizeof(struct sample_disk_conf),
	disk_keys, NULL };

static void
disk_close(struct sampler *s)
{
	struct disk *d = (struct disk *)s;

	if (d == NULL)
		return;
	sample_file_close(&d->mountinfo);
	sample_file_close(&d->diskstats);
	sample_table_free(&d->mounts);
	sample_table_free(&d->devices);
	free(d->root);
	free(d->buf);
	free(d);
}

static int
disk_open(struct sampler **out, const void *conf, const char *root, uint32_t interval_ms,
    struct bl_err *err)
{
	struct disk *d = calloc(1, sizeof(*d));
	int rc;

	*out = NULL;
	if (d == NULL)
		return bl_fail(err, BL_ENOMEM, "disk: out of memory");
	d->conf = conf;
	d->interval_ms = interval_ms;
	d->always = root[0] != '\0';
	d->root = strdup(root);
	d->buf = malloc(DISK_BYTES);
	rc = d->buf == NULL || d->root == NULL ? bl_fail(err, BL_ENOMEM, "disk: out of memory")
					       : BL_OK;
	if (rc == BL_OK)
		rc = sample_file_init(&d->mountinfo, root, "/proc/self/mountinfo", err);
	if (rc == BL_OK)
		rc = sample_file_init(&d->diskstats, root, "/proc/diskstats", err);
	if (rc == BL_OK)
		rc = sample_table_init(&d->mounts, (unsigned)d->conf->max_mounts, mount_spec,
		    MOUNT_SERIES, &mounts_skipped, err);
	if (rc == BL_OK)
		rc = sample_table_init(&d->devices, (unsigned)d->conf->max_devices,
		    sample_disk_io_spec, SAMPLE_DISK_IO_SERIES, &devices_skipped, err);
	if (rc < 0) {
		disk_close((struct sampler *)d);
		return rc;
	}
	*out = (struct sampler *)d;
	return BL_OK;
}

/* ---- space ---- */

static void
mount_found(void *ctx, const char *mount_point)
{
	struct disk *d = ctx;

	(void)sample_table_take(&d->mounts, mount_point);
}

/* Marks what is mounted now as seen.  On failure the marks of the last scan stay. */
static int
mounts_scan(struct disk *d, struct bl_err *err)
{
	const struct sample_mounts_want want = { d->conf, d->root, mount_found, d };
	bool cut;
	int rc = sample_file_read(&d->mountinfo, d->buf, DISK_BYTES, &cut, err);

	d->scanned = rc >= 0;
	if (rc < 0)
		return rc;
	sample_table_begin(&d->mounts);
	if (sample_mounts_scan(d->buf, (size_t)rc, &want) > 0)
		rc = bl_fail(err, BL_ECORRUPT, "disk: %s has lines that do not read as mounts",
		    d->mountinfo.path);
	return rc < 0 ? rc : BL_OK;
}

/* As df: of what an ordinary user may fill, reserved blocks left out. */
static double
used_pct(const struct statvfs *v)
{
	const double used = (double)(v->f_blocks - v->f_bfree);

	return sample_pct(used, used + (double)v->f_bavail);
}

static void
mount_sample(struct disk *d, struct sample_slot *slot, const struct sample_to *to)
{
	char path[BL_LABEL_VALUE_MAX + 1024];
	struct statvfs v;
	const int n = snprintf(path, sizeof(path), "%s%s", d->root, slot->name);

	if (n < 0 || (size_t)n >= sizeof(path) || statvfs(path, &v) < 0 || v.f_blocks == 0 ||
	    v.f_bfree > v.f_blocks) {
		sample_table_unknown(&d->mounts, slot, to, BL_UNKNOWN_UNREADABLE);
		return;
	}
	/* File systems that make inodes as they go (btrfs, vfat) have no share of them in use. */
	slot->n_series = v.f_files > 0 && v.f_ffree <= v.f_files ? MOUNT_SERIES : MOUNT_INODES_PCT;
	const double value[MOUNT_SERIES] = {
		(double)v.f_blocks * (double)v.f_frsize,
		(double)(v.f_blocks - v.f_bfree) * (double)v.f_frsize,
		used_pct(&v),
		sample_pct((double)(v.f_files - v.f_ffree), (double)v.f_files),
	};
	for (unsigned i = 0; i < slot->n_series; i++)
		sample_put(to, &slot->handle[i], &mount_spec[i], slot->name, value[i]);
}

static int
space_sample(struct disk *d, const struct sample_to *to, int64_t boot_ms, struct bl_err *err)
{
	int rc = BL_OK;

	if (!d->scanned || d->always || sample_file_changed(&d->mountinfo))
		rc = mounts_scan(d, err);
	for (unsigned i = 0; i < d->mounts.max; i++)
		if (d->mounts.slot[i].name[0] != '\0' && d->mounts.slot[i].seen)
			mount_sample(d, &d->mounts.slot[i], to);
	sample_table_end(&d->mounts, to, boot_ms);
	return rc;
}

/* ---- counters ---- */

static int
io_sample(struct disk *d, const struct sample_to *to, int64_t boot_ms, struct bl_err *err)
{
	bool cut;
	const int rc = sample_file_read(&d->diskstats, d->buf, DISK_BYTES, &cut, err);

	if (rc < 0) {
		sample_table_unreadable(&d->devices, to);
		return rc;
	}
	sample_table_begin(&d->devices);
	sample_disk_io(&d->devices, d->conf, d->buf, (size_t)rc, to, boot_ms);
	sample_table_end(&d->devices, to, boot_ms);
	return BL_OK;
}

static int
disk_sample(struct sampler *s, int64_t boot_ms, struct sample_sink *sink, struct bl_err *err)
{
	struct disk *d = (struct disk *)s;
	const struct sample_to to = { sink, d->interval_ms };
	int rc;
	int rc2 = BL_OK;

	if (!d->conf->enabled)
		return BL_OK;
	rc = space_sample(d, &to, boot_ms, err);
	if (d->conf->io)
		rc2 = io_sample(d, &to, boot_ms, rc < 0 ? NULL : err);
	return rc < 0 ? rc : rc2;
}

const struct sampler_ops sampler_disk = { "disk", &disk_section, disk_open, disk_sample,
	disk_close };
