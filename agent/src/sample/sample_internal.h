/*
 * What the samplers share: a file that is read again and again, a scanner of
 * numbers, series handles, and the bounded table of things that come and go
 * (mounts, disks, interfaces).
 *
 * Nothing here allocates after open: a tick is preads into one buffer and
 * arithmetic.  Loop thread.
 */
#ifndef SAMPLE_INTERNAL_H
#define SAMPLE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sample.h"
#include "sample_conf.h"

extern const struct sampler_ops sampler_cpu;
extern const struct sampler_ops sampler_memory;
extern const struct sampler_ops sampler_disk;
extern const struct sampler_ops sampler_network;
extern const struct sampler_ops sampler_processes;
extern const struct sampler_ops sampler_files;
extern const struct sampler_ops sampler_pressure;
extern const struct sampler_ops sampler_tcp;
extern const struct sampler_ops sampler_time;
extern const struct sampler_ops sampler_sensors;
extern const struct sampler_ops sampler_kernel;
extern const struct sampler_ops sampler_units;
extern const struct sampler_ops sampler_logs;
extern const struct sampler_ops sampler_uptime;
extern const struct sampler_ops sampler_self;
extern const struct sampler_ops sampler_synthetic;

/* ---- files (sample_file.c) ---- */

/* A file of /proc, kept open; reopened after a failure. */
struct sample_file {
	char *path; /* owned, root included */
	int fd;     /* -1: to be opened at the next read */
};

/* Opens nothing yet: a file that is missing now may be there later. */
int sample_file_init(struct sample_file *f, const char *root, const char *path, struct bl_err *err);
void sample_file_close(struct sample_file *f);
/*
 * Reads it from its start into buf (at most size - 1 bytes, terminated).
 * Returns the length of its whole lines; a negative code when it cannot be
 * opened or read, or has none.  *cut: it was longer than the buffer.
 */
int sample_file_read(struct sample_file *f, char *buf, size_t size, bool *cut, struct bl_err *err);
/* Of a file whose changes the kernel tells (mountinfo): has it changed since it was last asked, or
 * is it not open? */
bool sample_file_changed(const struct sample_file *f);
/* BL_OK also when the read failed because this kernel or machine has no such file; else rc, and why
 * in err (may be NULL). */
int sample_file_result(int rc, const struct bl_err *why, struct bl_err *err);
/* A short text, opened and closed again, without its last newline.  False: unreadable or empty. */
bool sample_text_read(const char *path, char *buf, size_t size);

#define SAMPLE_ENTRY_MAX 64

struct sample_entries {
	char name[64][SAMPLE_ENTRY_MAX]; /* sorted, numbers by value */
	unsigned n;
	unsigned left_out; /* too many, or too long */
};

/* The entries of a folder that are wanted (NULL: all), but those that begin with a dot.  Allocates
 * nothing.  False: no such folder, or unreadable. */
bool sample_entries_read(
    const char *path, bool (*wanted)(const char *name), struct sample_entries *e);

/* ---- scanning (sample_scan.c); pure, never passes end, blanks are skipped first ---- */

struct sample_scan {
	const char *p;
	const char *end;
};

/* False: no digits, more than 64 bits, or something else than a blank behind; nothing consumed. */
bool sample_scan_u64(struct sample_scan *s, uint64_t *v);
/* "12" or "12.34", up to 15 digits in all; exact to the nearest double. */
bool sample_scan_decimal(struct sample_scan *s, double *v);
/* Up to the next blank or end of line.  False: none on this line. */
bool sample_scan_word(struct sample_scan *s, const char **word, size_t *len);
/* Cuts the next line out of s, without its newline.  False: no more. */
bool sample_scan_line(struct sample_scan *s, struct sample_scan *line);
/* True and consumed when the next bytes are text. */
bool sample_scan_skip(struct sample_scan *s, const char *text);

/* Does name match the pattern with * and ?  Pure, no recursion. */
bool sample_glob(const char *pattern, const char *name);
bool sample_glob_any(const struct bl_conf_strlist *patterns, const char *name);
/* Good as the value of a label: 1..BL_LABEL_VALUE_MAX bytes of UTF-8 without control characters. */
bool sample_label_valid(const char *text, size_t len);

/* ---- series (sample_series.c) ---- */

#define SAMPLE_NEW     (-1) /* a handle: to be declared when first put */
#define SAMPLE_REFUSED (-2) /* the sink did not take it: not asked again */

struct sample_spec {
	const char *name;
	const char *unit;
	enum bl_series_kind kind;
	const char *label; /* key of its only label; NULL: none */
};

static inline bool
sample_counts(const struct sample_spec *spec)
{
	return spec->kind == BL_COUNTER;
}

struct sample_to {
	struct sample_sink *sink;
	uint32_t interval_ms;
};

/*
 * A counter as it is put: as its source has it, but that it does not step back.  What the kernel
 * adds up over processors and cards may stand a little (an eighth at most) below what it was a
 * moment ago; the last value stands then until the source has passed it.  A deeper fall is a
 * reset or a wrap, which the reader sees.  *last: what was put before; begins as 0.  Pure.
 */
double sample_counter(double *last, double now);

/* label is the label's value; ignored when spec has none. */
void sample_put(const struct sample_to *to, int32_t *handle, const struct sample_spec *spec,
    const char *label, double value);
void sample_put_unknown(const struct sample_to *to, int32_t *handle, const struct sample_spec *spec,
    const char *label, enum bl_unknown reason);
/* The value, or unknown (unreadable) when it is NaN. */
void sample_put_known(const struct sample_to *to, int32_t *handle, const struct sample_spec *spec,
    const char *label, double value);
/* How many things a cap left out: a series from the first time on, and told to the sink. */
void sample_put_left_out(
    const struct sample_to *to, int32_t *handle, const struct sample_spec *spec, unsigned n);
/* Unknown, but only when the series was declared before: what was never there is not missed. */
void sample_put_lost(const struct sample_to *to, int32_t handle);
/* To two and to three decimals, as the double nearest to them. */
double sample_round2(double v);
double sample_round3(double v);
/* 100 * part / whole, rounded; 0 when whole is 0. */
double sample_pct(double part, double whole);

/* ---- things that come and go (sample_table.c) ---- */

#define SAMPLE_SLOT_SERIES 8
#define SAMPLE_GONE_MS     (10 * 60 * 1000) /* this long a vanished thing is put as unknown */

/* What a disk's counters were at its last reading. */
struct sample_slot_last {
	int64_t boot_ms; /* 0: none */
	uint64_t reads, read_ms, writes, write_ms, queue_ms;
};

/* Which interface has the name. */
struct sample_slot_who {
	unsigned index;        /* the kernel's number; 0: not known */
	int64_t known_boot_ms; /* its counters were put last */
	int64_t quiet_boot_ms; /* until then nobody may pair them with those of another; 0: now */
};

struct sample_slot {
	char name[BL_LABEL_VALUE_MAX + 1]; /* empty: free */
	bool seen;                         /* in this tick */
	bool gone;
	int64_t gone_boot_ms; /* since when */
	unsigned n_series;    /* how many of spec apply to it */
	int32_t handle[SAMPLE_SLOT_SERIES];
	struct sample_slot_last last;       /* all zero in a new slot, like what follows */
	double counter[SAMPLE_SLOT_SERIES]; /* as put last; of counters only */
	struct sample_slot_who who;
};

struct sample_table {
	struct sample_slot *slot; /* owned */
	unsigned max;
	unsigned next; /* where the next look-up begins: lines come in the same order each time */
	unsigned skipped; /* refused in this tick because the table was full */
	int32_t skipped_handle;
	const struct sample_spec *spec; /* of the slots' series */
	unsigned n_spec;
	const struct sample_spec *skipped_spec;
};

int sample_table_init(struct sample_table *t, unsigned max, const struct sample_spec *spec,
    unsigned n_spec, const struct sample_spec *skipped_spec, struct bl_err *err);
void sample_table_free(struct sample_table *t);
/* Begins a tick: nothing seen yet. */
void sample_table_begin(struct sample_table *t);
/* The slot of this name, or NULL. */
struct sample_slot *sample_table_find(struct sample_table *t, const char *name);
/* The same, a new one when there is none.  NULL: full or not fit for a label (counted), or seen in
 * this tick already (not counted). */
struct sample_slot *sample_table_take(struct sample_table *t, const char *name);
/* Every series of the slot. */
void sample_table_unknown(const struct sample_table *t, struct sample_slot *slot,
    const struct sample_to *to, enum bl_unknown reason);
/* Instead of a tick: the source itself could not be read, so nothing is known to have vanished. */
void sample_table_unreadable(struct sample_table *t, const struct sample_to *to);
/* Ends a tick: unknowns for what vanished, until it is forgotten; the count of the skipped. */
void sample_table_end(struct sample_table *t, const struct sample_to *to, int64_t boot_ms);

/* ---- mounts (sample_mounts.c) ---- */

/* Calls each for every local file system worth a series, once a device.  buf is mountinfo. */
struct sample_mounts_want {
	const struct sample_disk_conf *conf;
	const char *root; /* prefix under which mount points are looked at */
	void (*each)(void *ctx, const char *mount_point);
	void *ctx;
};

/* Pure but for one stat of each chosen mount point.  Returns how many lines did not parse. */
unsigned sample_mounts_scan(const char *buf, size_t len, const struct sample_mounts_want *want);

/*
 * Can something on the way to path hang?  True when every mount at or above it
 * is of a kind that is known to answer at once, or named in types.  Pure.
 */
bool sample_mounts_harmless(
    const char *buf, size_t len, const struct bl_conf_strlist *types, const char *path);

/* ---- TCP connections by state (sample_tcp_diag.c) ---- */

#define SAMPLE_TCP_STATES 12 /* numbered from 1, as the kernel does */

/*
 * Asks the kernel (netlink, sock_diag) for all TCP sockets of this network
 * namespace, IPv4 and IPv6, and counts them by state.  BL_EFULL: more than
 * max, the counts say nothing; BL_EIO with ENOENT: this kernel does not tell.
 */
int sample_tcp_diag(unsigned count[SAMPLE_TCP_STATES], int64_t max, struct bl_err *err);
/*
 * Adds what one answer of the kernel holds.  Pure.  Returns 1 when it ends the
 * list, 0 when more follows, a negative code when it is an error or no answer.
 */
int sample_tcp_diag_take(
    const void *buf, size_t len, unsigned count[SAMPLE_TCP_STATES], struct bl_err *err);

/* ---- sensors (sample_sensors.c, sample_sensors_find.c) ---- */

enum sample_sensor_kind {
	SENSOR_TEMPERATURE,
	SENSOR_FAN,
	SENSOR_POWER,
	SENSOR_CHARGE,
	SENSOR_BATTERY_POWER,
	SENSOR_DISCHARGING,
	SENSOR_ONLINE,
	SENSOR_KINDS,
};

struct sample_sensors_found {
	/* label is who it is on this machine, path (root not included) where it is read. */
	void (*each)(void *ctx, enum sample_sensor_kind kind, const char *label, const char *path);
	void *ctx;
	unsigned left_out; /* out: a folder held more than can be looked at */
};

/* Looks through hwmon, thermal and power_supply of /sys below root. */
void sample_sensors_find(const char *root, struct sample_sensors_found *found);

/* ---- time (sample_time.c) ---- */

struct timex;

enum {
	TIME_SYNCHRONISED,
	TIME_OFFSET,
	TIME_ERROR_MAX,
	TIME_ERROR_ESTIMATED,
	TIME_FREQUENCY,
	TIME_SERIES,
};

/* What the kernel's answer means; NaN: not known.  Pure.  state is adjtimex's result. */
void sample_time_values(const struct timex *t, int state, double value[TIME_SERIES]);

/* ---- disk counters (sample_disk_io.c) ---- */

extern const struct sample_spec sample_disk_io_spec[];
#define SAMPLE_DISK_IO_SERIES 8

/* One tick over the text of /proc/diskstats into t. */
void sample_disk_io(struct sample_table *t, const struct sample_disk_conf *conf, const char *buf,
    size_t len, const struct sample_to *to, int64_t boot_ms);

#endif
