/*
 * Series that others name: between an inlet that hears names and values from
 * programs nobody here wrote, and the agent's sink.
 *
 * A name becomes one of ours (lower case, other characters '_'), labels are
 * sorted and bounded, and each series gets the label `source`, so that nobody
 * can write into a series of the agent's own or of another source; a name that the
 * catalogue has for the agent's own series is refused.  Each source has
 * a cap of its own.  What is refused is counted by reason, named once for each
 * reason in the log and, where it is a cap, as "overload" in the ledger by the sink.
 *
 * A series is asked for once; its slot is kept by who asked.  Loop thread only.
 */
#ifndef INTAKE_H
#define INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/err.h"
#include "branchline/wire.h"

#include "sample.h"

#define INTAKE_SERIES_DEFAULT 1000u
#define INTAKE_SOURCE_LABEL   "source"

struct intake;

struct intake_opts {
	const char *source;   /* value of the label: "statsd", the name of a job; copied */
	const char *prefix;   /* before each name, or NULL; copied */
	uint32_t max_series;  /* 0: INTAKE_SERIES_DEFAULT */
	uint32_t interval_ms; /* as its series say; 0: when it happens */
	/*
	 * For those whose users are known (intake_name.user): a source has twice max_series then,
	 * and no user may have more of them than are left for others; alone, max_series.
	 */
	bool by_user;
	struct sample_sink *sink; /* kept */
};

/* As it was heard; borrowed. */
struct intake_name {
	struct bl_str name;
	struct bl_str unit; /* empty, or no text of a unit's length: "1" */
	uint32_t user;      /* whose it is, when it is a new one; see by_user */
	enum bl_series_kind kind;
	/*
	 * In any order; of a key that stands twice the last counts; a key "source" is put as
	 * "exported_source"; one with an empty value is left out, as if it were not there.
	 * At most BL_LABELS_MAX - 1 are left then, since `source` is one.
	 */
	uint32_t n_labels;
	struct bl_label label[BL_LABELS_MAX];
};

enum intake_reason {
	INTAKE_BAD_NAME,   /* empty, or nothing of it can stand in a name; too long; not UTF-8 */
	INTAKE_BAD_LABEL,  /* too many, too long, not UTF-8 */
	INTAKE_OWN_NAME,   /* the agent has a series of that name itself */
	INTAKE_OTHER_KIND, /* the series is there as a counter and this is a gauge, or the other way
			    */
	INTAKE_TOO_MANY,   /* this source's or user's cap, or the agent's max_series; no new name is
			      looked at then */
	INTAKE_BAD_VALUE,  /* not finite, or no number: counted by who reads it */
	INTAKE_NO_MEMORY,
	INTAKE_REASONS
};
/* "bad_name" ...: names of counters. */
extern const char *const intake_reason_names[INTAKE_REASONS];

int intake_open(struct intake **out, const struct intake_opts *opts, struct bl_err *err);
void intake_close(struct intake *t); /* NULL is fine; its series rest */

/*
 * A slot (>= 0) for put, good until intake_close; the same name and labels give the same one.  Its
 * unit is the last that was said, where that is no "1"; it counts as another series where it is
 * new, and is left where there is no room for one.  Negative: -1 - enum intake_reason, counted.
 */
int32_t intake_series(struct intake *t, const struct intake_name *n);
/* Whether it is this user's share alone that has no room; of a source that is by_user.  Never of 0,
 * whom nobody knows: whoever comes by a port, a file. */
bool intake_share_used(const struct intake *t, uint32_t user);
/* The sink's handle of a slot; another one after the unit has changed. */
int32_t intake_handle(const struct intake *t, int32_t slot);
/* One that is not finite is counted as INTAKE_BAD_VALUE and not put. */
void intake_put(struct intake *t, int32_t slot, double value);
void intake_unknown(struct intake *t, int32_t slot, enum bl_unknown reason);
/* A value or series is refused by who reads it; name: as it was heard. */
void intake_refuse(struct intake *t, enum intake_reason why, struct bl_str name);
/* What others sent, as it may stand in the log: printable ASCII, cut where out is full. */
void intake_harmless(char *out, size_t size, struct bl_str s);
/* Series of this source, and what was refused, by reason; refused may be NULL. */
uint32_t intake_count(const struct intake *t, uint64_t refused[INTAKE_REASONS]);

/*
 * Pure: a name as ours, with prefix (may be NULL) and '_' before it.  ASCII letters become lower
 * case, runs of other ASCII characters one '_' (none at the end); a character beyond ASCII becomes
 * "u" and its code in hexadecimal, so that two names of another script do not become one; what
 * would begin with a digit gets "n_" before it, and '_' at the beginning goes.  False: nothing of
 * it can stand, it is too long, or it is not UTF-8.
 */
bool intake_clean_name(const char *prefix, struct bl_str raw, char out[BL_NAME_MAX + 1]);

#endif
