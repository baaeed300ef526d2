/*
 * The spool's life: opening, beginning a run, replacing a damaged file,
 * closing.  One thread owns a struct spool.
 *
 * Opening never gives up on damage: the file is set aside, a new one names it
 * as its predecessor, the time and what cannot be read become one gap.  It does
 * give up on a newer file, and on one that another agent holds.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool_internal.h"

#define MAX_BYTES_LEAST (1024 * 1024)

static void
spool_free(struct spool *s)
{
	if (s == NULL)
		return;
	db_close(s);
	pending_free(&s->p);
	defs_free(s);
	if (s->lock_fd >= 0)
		(void)close(s->lock_fd); /* lets the lock go; what it noted is no promise */
	free(s->path);
	free(s->device);
	free(s->software);
	free(s);
}

static int
spool_alloc(struct spool **out, const struct spool_opts *opts, struct bl_err *err)
{
	struct spool *s;

	if (opts->max_bytes < MAX_BYTES_LEAST)
		return bl_fail(err, BL_EINVAL, "open spool %s: max_bytes must be at least %d",
		    opts->path, MAX_BYTES_LEAST);
	if (strlen(opts->device) == 0 || strlen(opts->device) > BL_DEVICE_ID_MAX)
		return bl_fail(err, BL_EINVAL, "open spool %s: not a device id: \"%.80s\"",
		    opts->path, opts->device);
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return bl_fail(err, BL_ENOMEM, "open spool %s: out of memory", opts->path);
	s->lock_fd = -1;
	pending_init(&s->p);
	s->path = strdup(opts->path);
	s->device = strdup(opts->device);
	s->software = strdup(opts->software != NULL ? opts->software : "");
	if (s->path == NULL || s->device == NULL || s->software == NULL) {
		spool_free(s);
		return bl_fail(err, BL_ENOMEM, "open spool %s: out of memory", opts->path);
	}
	s->max_bytes = opts->max_bytes;
	s->keep_receipted_ms = opts->keep_receipted_ms;
	s->memory_bytes = opts->memory_bytes != 0 ? opts->memory_bytes : SPOOL_MEMORY_BYTES;
	s->boot = opts->boot;
	s->clock = opts->clock;
	s->opened_ms = s->covered_ms = bl_boot_ms(s->clock);
	s->receipt_mono_ms = INT64_MIN / 2;
	s->event_mono_ms = INT64_MAX;
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		s->cut_mono_ms[i] = bl_mono_ms(s->clock);
		s->raw_per_open_pct[i] = 100;
		s->open_from_ms[i] = INT64_MAX;
		s->live_from[i] = INT64_MAX;
	}
	*out = s;
	return BL_OK;
}

/* ---- a new file in the place of one that cannot be used ---- */

/* The id of the file that is to be replaced, as far as anybody knows it. */
static void
find_predecessor(struct spool *s, struct bl_id *id, struct spool_durable *old)
{
	char device[BL_DEVICE_ID_MAX + 1];
	sqlite3 *db;

	memset(old, 0, sizeof(*old));
	memset(id, 0, sizeof(*id));
	if (db_open_to_read(&db, s->path, NULL) == BL_OK) {
		if (durable_load(db, old, device, sizeof(device)) == SQLITE_OK)
			*id = old->spool;
		else
			memset(old, 0, sizeof(*old));
		(void)sqlite3_close(db); /* only read */
	}
	if (bl_id_is_zero(id))
		(void)file_noted_identity(s, id);
}

/* What was lost with the old file: one entry a stream, from its last known commit. */
static int
damaged_gaps(struct spool *s, const struct bl_id *predecessor, const struct spool_durable *old,
    struct bl_err *err)
{
	int rc;

	if ((rc = txn_begin(s, err)) < 0)
		return rc;
	for (unsigned i = 0; i < BL_STREAMS && rc == BL_OK; i++) {
		const struct bl_gap gap = {
			.spool = *predecessor,
			.reason = BL_GAP_DAMAGED,
			.stream = (enum bl_stream)(i + 1),
			.begin_boot = old->boot,
			.begin_boot_ms = old->stream[i].begin_ms,
			.end_boot = s->boot,
			.end_boot_ms = bl_boot_ms(s->clock),
			.samples = (uint64_t)old->stream[i].open_samples,
		};

		rc = ledger_add(s, &gap, err);
	}
	if (rc < 0) {
		txn_rollback(s);
		return rc;
	}
	return txn_commit(s, err);
}

/* What is known of the file that was replaced. */
struct replaced {
	char aside[4096];
	struct bl_id predecessor;
	struct spool_durable old;
};

static int
replace_file(struct spool *s, const char *why, struct replaced *r, struct bl_err *err)
{
	const struct bl_err reason = *err;
	bool created = false;
	int rc;

	db_close(s);
	find_predecessor(s, &r->predecessor, &r->old);
	if ((rc = file_set_aside(s, why, r->aside, sizeof(r->aside), err)) < 0)
		return rc;
	memset(&s->d, 0, sizeof(s->d));
	s->d.spool = bl_id_random(s->clock);
	s->d.predecessor = r->predecessor;
	s->damaged = s->suspect = false;
	s->begun = false;
	spool_outstanding_clear_all(s);
	if ((rc = db_open(s, &created, err)) < 0)
		return rc;
	file_note_identity(s);
	(void)bl_fail(err, BL_OK, "%s; set aside as %s, a new spool begins",
	    reason.msg[0] != '\0' ? reason.msg : "the spool cannot be used", r->aside);
	bl_error("spool", "%s", err->msg);
	return SPOOL_REPLACED;
}

/*
 * The loss is named, and what can be read comes over.  The new file's run begins
 * last: a file with a predecessor and without a run tells of a crash in here.
 */
static int
recover_from(struct spool *s, const struct replaced *r, struct bl_err *err)
{
	struct bl_err why = { 0 };
	int rc;

	if ((rc = damaged_gaps(s, &r->predecessor, &r->old, err)) < 0)
		return rc;
	/* Another generation: it had begun to come over, and the centre is asked about the rest. */
	if (s->d.gen == 1 && salvage(s, r->aside, &why) < 0)
		bl_warn("spool", "nothing more can be recovered from %s: %s", r->aside, why.msg);
	return begin_boot(s, err);
}

/* The agent died while it replaced a damaged file: what was left to do then. */
static int
resume_recovery(struct spool *s, struct bl_err *err)
{
	char device[BL_DEVICE_ID_MAX + 1];
	struct replaced *r;
	sqlite3 *db;
	int rc;

	if (!bl_id_is_zero(&s->d.boot) || bl_id_is_zero(&s->d.predecessor))
		return BL_OK;
	if ((r = calloc(1, sizeof(*r))) == NULL)
		return bl_fail(err, BL_ENOMEM, "open spool %s: out of memory", s->path);
	if (!file_last_aside(s, "-damaged", r->aside, sizeof(r->aside))) {
		free(r);
		return BL_OK;
	}
	r->predecessor = s->d.predecessor;
	if (db_open_to_read(&db, r->aside, NULL) == BL_OK) {
		if (durable_load(db, &r->old, device, sizeof(device)) != SQLITE_OK)
			memset(&r->old, 0, sizeof(r->old));
		(void)sqlite3_close(db); /* only read */
	}
	bl_warn("spool", "the recovery of %s was cut off; it goes on", r->aside);
	rc = recover_from(s, r, err);
	free(r);
	return rc;
}

int
spool_replace(struct spool *s, struct bl_err *err)
{
	struct bl_err local = { 0 }, later = { 0 };
	struct replaced *r;
	int rc;

	if (err == NULL)
		err = &local;
	if (err->msg[0] == '\0')
		(void)bl_fail(err, BL_ECORRUPT, "spool %s: damaged", s->path);
	if ((r = calloc(1, sizeof(*r))) == NULL)
		return bl_fail(err, BL_ENOMEM, "replace spool %s: out of memory", s->path);
	/* A commit whose fate is unknown counts as lost: its rows are in memory still. */
	s->p.doubt_no = 0;
	memset(&s->p.doubt, 0, sizeof(s->p.doubt));
	s->opened_ms = bl_boot_ms(s->clock);
	if (s->covered_ms < s->opened_ms)
		s->covered_ms = s->opened_ms;
	for (unsigned i = 0; i < BL_STREAMS; i++)
		if (s->live_from[i] != INT64_MAX)
			s->live_from[i] = 1;
	rc = replace_file(s, "damaged", r, err);
	if (rc >= 0 && (rc = pending_renumber(s, &later)) == BL_OK)
		rc = recover_from(s, r, &later);
	free(r);
	if (rc == BL_EFULL)
		rc = BL_OK; /* begun with the first commit that works */
	if (rc < 0 && later.code != 0)
		*err = later;
	return rc < 0 ? rc : SPOOL_REPLACED;
}

bool
spool_damaged(const struct spool *s)
{
	return s->damaged;
}

/* ---- open ---- */

static int
check_device(struct spool *s, struct bl_err *err)
{
	char device[BL_DEVICE_ID_MAX + 1] = "";
	struct spool_durable d;
	int rc = durable_load(s->db, &d, device, sizeof(device));

	if (rc != SQLITE_OK)
		return db_fail(s, rc, err, "read the state");
	if (strcmp(device, s->device) == 0)
		return BL_OK;
	return bl_fail(err, BL_EEXIST, "spool %s: belongs to device \"%s\", not to \"%s\"", s->path,
	    device, s->device);
}

/* Newer files are found out without opening them for writing, which would touch them. */
static int
check_newer(const struct spool *s, struct bl_err *err)
{
	struct bl_err seen = { 0 };
	sqlite3 *db;
	int rc;

	rc = db_open_to_read(&db, s->path, &seen);
	if (rc == BL_OK)
		(void)sqlite3_close(db); /* only read */
	if (rc == BL_ENEWER && err != NULL)
		*err = seen;
	return rc == BL_ENEWER ? rc : BL_OK;
}

/* A file that cannot be gone on with: another device's, or damaged. */
static int
open_instead(struct spool *s, int why, struct bl_err *err)
{
	struct bl_err later = { 0 };
	struct replaced *r;
	int rc;

	if (why == BL_ECORRUPT)
		return spool_replace(s, err);
	if ((r = calloc(1, sizeof(*r))) == NULL)
		return bl_fail(err, BL_ENOMEM, "open spool %s: out of memory", s->path);
	rc = replace_file(s, "foreign", r, err);
	free(r);
	if (rc < 0)
		return rc;
	if ((rc = begin_boot(s, &later)) < 0 && rc != BL_EFULL) {
		*err = later;
		return rc;
	}
	return SPOOL_REPLACED;
}

static int
open_file(struct spool *s, struct bl_err *err)
{
	struct bl_err later = { 0 };
	bool created = false;
	int rc;

	if ((rc = check_newer(s, err)) < 0)
		return rc;
	s->d.spool = bl_id_random(s->clock);
	rc = db_open(s, &created, err);
	if (rc == BL_OK && !created && (rc = db_check(s, err)) == BL_OK)
		rc = check_device(s, err);
	if (rc == BL_ECORRUPT || rc == BL_EEXIST)
		return open_instead(s, rc, err);
	if (rc < 0)
		return rc;
	file_note_identity(s);
	rc = resume_recovery(s, &later);
	if (rc == BL_OK)
		rc = begin_boot(s, &later);
	if (rc == BL_ECORRUPT) {
		*err = later;
		return open_instead(s, rc, err);
	}
	if (rc < 0 && rc != BL_EFULL) {
		*err = later;
		return rc;
	}
	/* A full disk does not stop the start: the first commit begins the run. */
	if (rc == BL_EFULL)
		bl_warn("spool", "%s; samples wait in memory", later.msg);
	return created ? SPOOL_CREATED : SPOOL_OPENED;
}

int
spool_open(struct spool **out, const struct spool_opts *opts, struct bl_err *err)
{
	struct bl_err local = { 0 };
	struct spool *s = NULL;
	int rc;

	*out = NULL;
	if (err == NULL)
		err = &local;
	memset(err, 0, sizeof(*err));
	if ((rc = spool_alloc(&s, opts, err)) < 0)
		return rc;
	if ((rc = file_lock(s, err)) < 0 || (rc = open_file(s, err)) < 0) {
		spool_free(s);
		return rc;
	}
	*out = s;
	return rc;
}

void
spool_close(struct spool *s)
{
	struct bl_err err = { 0 };
	uint64_t lost;

	if (s == NULL)
		return;
	if (spool_commit(s, &lost, &err) < 0)
		bl_error("spool", "what was not committed is lost: %s", err.msg);
	spool_free(s);
}
