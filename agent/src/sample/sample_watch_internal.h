/*
 * What the samplers of watched things share: names of entries, and the time
 * between two looks, which may be longer than a tick.
 */
#ifndef SAMPLE_WATCH_INTERNAL_H
#define SAMPLE_WATCH_INTERNAL_H

#include "sample_internal.h"
#include "sample_watch_conf.h"

/* Rows of option tables that read alike wherever something is watched; row_of is the
 * table's struct. */
#define SAMPLE_WATCH_NAME_KEY(row_of)                                                              \
	{                                                                                          \
		.name = "name", .type = BL_CONF_STR, .offset = offsetof(row_of, name), .min = 1,   \
		.max = BL_LABEL_VALUE_MAX, .help = "its name in series",                           \
		.check = sample_watch_name_check                                                   \
	}
#define SAMPLE_WATCH_PATH_KEY(row_of, text)                                                        \
	{                                                                                          \
		.name = "path", .type = BL_CONF_STR, .offset = offsetof(row_of, path), .min = 1,   \
		.max = 1000, .help = (text), .check = sample_watch_path_check                      \
	}
#define SAMPLE_WATCH_TYPES_KEY(row_of)                                                             \
	{                                                                                          \
		.name = "types", .type = BL_CONF_STRLIST, .dflt = "",                              \
		.offset = offsetof(row_of, types), .max = 16,                                      \
		.help =                                                                            \
		    "further file systems to count as local, although they may hang (nfs4, fuse)"  \
	}
#define SAMPLE_WATCH_LIST_KEY(row_of, table, text)                                                 \
	{                                                                                          \
		.name = "watch", .type = BL_CONF_LIST, .dflt = "",                                 \
		.offset = offsetof(row_of, watch), .max = SAMPLE_WATCHES_MAX, .help = (text),      \
		.section = &(table), .unique = "name"                                              \
	}

/*
 * Nothing on the agent's loop may hang, so a path from the configuration is
 * touched only where the table of mounts says that everything on the way to it
 * answers at once.
 */
struct sample_watch_mounts {
	const struct bl_conf_strlist *types; /* further ones to count as local */
	struct sample_file file;
	bool always; /* under a test's root a plain file does not tell that it changed */
	int len;     /* of the text; negative: not known */
	char *text;  /* owned */
	char *root;  /* of a test's tree; owned; NULL: none */
};

/* Borrows types.  To be closed also after a failure; a zeroed one may be closed, too. */
int sample_watch_mounts_init(struct sample_watch_mounts *m, const struct bl_conf_strlist *types,
    const char *root, struct bl_err *err);
void sample_watch_mounts_close(struct sample_watch_mounts *m);
/* Reads the table when the kernel says that it changed, or it is not known.  False: as before. */
bool sample_watch_mounts_look(struct sample_watch_mounts *m);
/* By the newest table; without one nothing is harmless.  Both of the two below. */
bool sample_watch_mounts_harmless(const struct sample_watch_mounts *m, const char *path);
/* By the path's text alone: nothing is touched. */
bool sample_watch_mounts_on_table(const struct sample_watch_mounts *m, const char *path);
/*
 * No symbolic link on the way leads to where something may hang.  Of a path that is harmless on the
 * table: nothing else is touched, a readlink for each folder of it.  Who changes links at this very
 * moment is not kept out.
 */
bool sample_watch_mounts_way(const struct sample_watch_mounts *m, const char *path);

/* When a look is due; times are boot times. */
struct sample_every {
	int64_t every_ms;
	int64_t next_boot_ms; /* 0: at once */
};

/* Returns what its series should say is their interval: whole ticks. */
uint32_t sample_every_init(struct sample_every *e, int64_t every_ms, uint32_t tick_ms);
/* True: look now; the next one is due one interval later.  Late looks are not made up for. */
bool sample_every_due(struct sample_every *e, int64_t boot_ms);

#endif
