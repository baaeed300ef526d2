/* Taking over what can be read of a damaged store: the parts' common ground. */
#ifndef STORE_SALVAGE_H
#define STORE_SALVAGE_H

#include "store_internal.h"
#include "store_pages.h"

struct salvaged_device {
	int64_t id;
	char name[BL_DEVICE_ID_MAX + 1];
};

struct salvaged_boot {
	int64_t id;
	struct bl_id uuid;
};

struct salvaged_spool {
	int64_t id, device_id;
	struct bl_id uuid, predecessor;
};

struct salvaged_series {
	int64_t id, device_id;
	struct series_text text;
	char *owned; /* what text is in; NULL: in that of a definition */
};

/* As definitions and rows stand apart from version 10 on; names_sort joins them. */
struct salvaged_row {
	int64_t id, device_id, def_id;
};

struct salvaged_entry { /* of a dictionary or a clock map */
	int64_t spool_id, entry;
	int64_t series_id;
	struct bl_clock_segment seg;
};

/* A row of the manifest of parts. */
struct salvaged_part {
	int64_t id, hour_unix_ms, space, devices, series, samples;
	int64_t offset[PARTS_LEVELS], bytes[PARTS_LEVELS];
};

/* An array that grows; sorted by its first numbers when all is in. */
struct salvaged {
	void *at;
	size_t n, size, each;
};

/* What the small tables say, by the ids that batches use. */
struct names {
	struct salvaged device, boot, spool, series, dict, clock;
	struct salvaged part;
	struct salvaged def, row; /* what series are made of */
	size_t text_bytes;
	bool full; /* the rest was left out: agents send it again */
	bool failed;
};

void names_init(struct names *n);
void names_free(struct names *n);
/* Takes a row in when it is one of a small table and holds. */
void names_take(struct names *n, const struct pages_row *row);
/* All are in: joins what belongs together, and sorts. */
void names_sort(struct names *n);
const struct salvaged_device *names_device(const struct names *n, int64_t id);
const struct salvaged_boot *names_boot(const struct names *n, int64_t id);
const struct salvaged_spool *names_spool(const struct names *n, int64_t id);
const struct salvaged_series *names_series(const struct names *n, int64_t id);
/* The first entry of a spool at or after `from`; *n: how many follow it up to the end of the list.
 */
const struct salvaged_entry *names_entries(
    const struct salvaged *list, int64_t spool_id, int64_t from, size_t *n);

const struct salvaged_part *names_part(const struct names *n, int64_t id);

/* ---- store_salvage.c ---- */

/* The spool that the damaged file calls id; NULL in *out: its device has too many, or it is
 * another device's by now. */
int store_salvage_spool(struct store *s, int64_t id, struct store_spool **out, struct bl_err *err);

/* ---- store_salvage_parts.c ---- */

/* The number from which on parts that are taken over have their spaces. */
int store_salvage_space(struct store *s, int64_t *out, struct bl_err *err);
/* The files of parts that are there. */
struct salvage_files {
	bool known;
	int64_t
	    oldest[PARTS_LEVELS]; /* begin of the oldest one's period; INT64_MAX: there is none */
};

/* How many elements store_salvage_list goes through. */
uint64_t store_salvage_lists(const struct names *n);
/* The next of them: parts, and what devices, series and boots are called here. */
int store_salvage_list(struct store *s, const struct names *n, struct salvage_files *f,
    int64_t space, uint64_t *at, struct bl_err *err);
/* A row of a page: where a device's hour is, what parts hide, checks of packed batches. */
int store_salvage_manifest(struct store *s, const struct names *n, struct salvage_files *f,
    int64_t space, const struct pages_row *row, struct bl_err *err);
/* A row of coverage: what of it was packed is settled, and covered. */
int store_salvage_cover(
    struct store *s, const struct names *n, const struct pages_row *row, struct bl_err *err);

/* The row's columns first..last and its last one agree; with_rowid: its id goes in first. */
bool row_holds(const struct pages_row *row, const char *table, bool with_rowid, unsigned first,
    unsigned last, unsigned sum);

#endif
