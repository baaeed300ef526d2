/*
 * Disk counters, raw, and latency and queue, per whole device, from the text of
 * /proc/diskstats.
 *
 * Pure.  A partition follows its disk in that file and is named after it, so
 * no look into /sys is needed.  Left out unless named in include_devices:
 * memory and loop devices, and what stands on other disks (dm, md, nbd ...),
 * which would count the same bytes twice; and a disk that was never used.
 * The times are 32 bits wide in the kernel and wrap after 49 days of work:
 * io_time_ms is put as it stands, latency and queue are worked out over the wrap.
 *
 * Latency is the mean of the requests that ended since the last tick, what
 * iostat calls await.  Where none ended there is none: nothing is put, for a
 * zero would say that the disk was fast.
 */
#include "sample_internal.h"

#include <string.h>

#define SECTOR_BYTES 512.0 /* of these counters, whatever the disk's own sectors are */

const struct sample_spec sample_disk_io_spec[SAMPLE_DISK_IO_SERIES] = {
	{ "disk_read_bytes_total", "bytes", BL_COUNTER, "device" },
	{ "disk_written_bytes_total", "bytes", BL_COUNTER, "device" },
	{ "disk_reads_total", "1", BL_COUNTER, "device" },
	{ "disk_writes_total", "1", BL_COUNTER, "device" },
	{ "disk_io_time_ms_total", "ms", BL_COUNTER, "device" },
	{ "disk_read_latency_ms", "ms", BL_GAUGE, "device" },
	{ "disk_write_latency_ms", "ms", BL_GAUGE, "device" },
	{ "disk_queue", "1", BL_GAUGE, "device" },
};

enum { RAW_SERIES = 5, READ_LATENCY = 5, WRITE_LATENCY, QUEUE };

/* reads merged sectors ms, writes merged sectors ms, in-flight io-ms queue-ms: kernels add more
 * behind. */
enum {
	READS = 0,
	READ_SECTORS = 2,
	READ_MS = 3,
	WRITES = 4,
	WRITE_SECTORS = 6,
	WRITE_MS = 7,
	IO_MS = 9,
	QUEUE_MS = 10,
	FIELDS = 11,
};

/* More requests at a time than any queue holds: a time that says so did not wrap but begin anew. */
#define QUEUE_MOST 65536

static const char *const left_out[] = {
	"loop*",
	"ram*",
	"zram*",
	"sr*",
	"fd*",
	"dm-*",
	"md*",
	"nbd*",
	"rbd*",
	"drbd*",
	"bcache*",
	"mtdblock*",
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* sda1 of sda, nvme0n1p2 of nvme0n1: the disk's name, a "p" when that ends in a digit, a number. */
static bool
is_partition(const char *name, const char *disk)
{
	const size_t n = strlen(disk);

	if (n == 0 || strncmp(name, disk, n) != 0 || name[n] == '\0')
		return false;
	name += n;
	if (is_digit(disk[n - 1]) && *name++ != 'p')
		return false;
	if (*name == '\0')
		return false;
	while (is_digit(*name))
		name++;
	return *name == '\0';
}

static bool
wanted(const struct sample_disk_conf *conf, const char *name)
{
	if (sample_glob_any(&conf->exclude_devices, name))
		return false;
	if (conf->include_devices.n > 0)
		return sample_glob_any(&conf->include_devices, name);
	for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
		if (sample_glob(left_out[i], name))
			return false;
	return true;
}

/* "   8       0 sda 1 2 3 ..."  False: no device's line. */
static bool
name_parse(struct sample_scan *line, char *name, size_t size)
{
	uint64_t major;
	uint64_t minor;
	const char *word;
	size_t len;

	if (!sample_scan_u64(line, &major) || !sample_scan_u64(line, &minor))
		return false;
	if (!sample_scan_word(line, &word, &len) || len >= size)
		return false;
	memcpy(name, word, len);
	name[len] = '\0';
	return true;
}

static bool
fields_parse(struct sample_scan *line, uint64_t field[FIELDS])
{
	for (unsigned i = 0; i < FIELDS; i++)
		if (!sample_scan_u64(line, &field[i]))
			return false;
	return true;
}

/* ---- latency and queue ---- */

/* How far a time of 32 bits went within span_ms.  False: it began anew. */
static bool
time_passed(uint64_t before, uint64_t now, int64_t span_ms, double *ms)
{
	uint64_t passed = now - before;

	if (now < before) {
		if (before > UINT32_MAX)
			return false;
		passed = now + (UINT64_C(1) << 32) - before;
	}
	*ms = (double)passed;
	return *ms <= (double)span_ms * QUEUE_MOST;
}

static bool
latency(uint64_t n_before, uint64_t n, uint64_t ms_before, uint64_t ms, int64_t span_ms, double *v)
{
	double passed;

	if (n <= n_before || !time_passed(ms_before, ms, span_ms, &passed))
		return false;
	*v = sample_round2(passed / (double)(n - n_before));
	return true;
}

static void
since_last(struct sample_slot *slot, const uint64_t field[FIELDS], const struct sample_to *to,
    int64_t boot_ms)
{
	const struct sample_slot_last now = { boot_ms, field[READS], field[READ_MS], field[WRITES],
		field[WRITE_MS], field[QUEUE_MS] };
	const struct sample_slot_last *last = &slot->last;
	const int64_t span_ms = boot_ms - last->boot_ms;
	const bool again = now.reads < last->reads || now.writes < last->writes;
	double v;

	if (last->boot_ms > 0 && span_ms > 0 && !again) {
		if (latency(last->reads, now.reads, last->read_ms, now.read_ms, span_ms, &v))
			sample_put(to, &slot->handle[READ_LATENCY],
			    &sample_disk_io_spec[READ_LATENCY], slot->name, v);
		if (latency(last->writes, now.writes, last->write_ms, now.write_ms, span_ms, &v))
			sample_put(to, &slot->handle[WRITE_LATENCY],
			    &sample_disk_io_spec[WRITE_LATENCY], slot->name, v);
		if (time_passed(last->queue_ms, now.queue_ms, span_ms, &v))
			sample_put(to, &slot->handle[QUEUE], &sample_disk_io_spec[QUEUE],
			    slot->name, sample_round2(v / (double)span_ms));
	}
	slot->last = now;
}

static void
device_sample(struct sample_table *t, const char *name, struct sample_scan *line,
    const struct sample_to *to, int64_t boot_ms)
{
	uint64_t field[FIELDS];
	const bool whole = fields_parse(line, field);
	struct sample_slot *slot = sample_table_find(t, name);

	/* A device without a slot gets one when it has something to tell. */
	if (slot == NULL && (!whole || (field[READS] == 0 && field[WRITES] == 0)))
		return;
	if ((slot = sample_table_take(t, name)) == NULL)
		return;
	if (!whole) {
		sample_table_unknown(t, slot, to, BL_UNKNOWN_UNREADABLE);
		return;
	}
	const double value[RAW_SERIES] = {
		(double)field[READ_SECTORS] * SECTOR_BYTES,
		(double)field[WRITE_SECTORS] * SECTOR_BYTES,
		(double)field[READS],
		(double)field[WRITES],
		(double)field[IO_MS],
	};
	for (unsigned i = 0; i < RAW_SERIES; i++)
		sample_put(to, &slot->handle[i], &sample_disk_io_spec[i], slot->name,
		    sample_counter(&slot->counter[i], value[i]));
	since_last(slot, field, to, boot_ms);
}

void
sample_disk_io(struct sample_table *t, const struct sample_disk_conf *conf, const char *buf,
    size_t len, const struct sample_to *to, int64_t boot_ms)
{
	struct sample_scan text = { buf, buf + len };
	struct sample_scan line;
	char disk[64] = ""; /* the last whole device seen */
	char name[64];

	while (sample_scan_line(&text, &line)) {
		if (!name_parse(&line, name, sizeof(name)) || is_partition(name, disk))
			continue;
		memcpy(disk, name, sizeof(disk));
		if (wanted(conf, name))
			device_sample(t, name, &line, to, boot_ms);
	}
}
