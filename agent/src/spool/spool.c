/*
 * The spool's life: opening, beginning a run, replacing a damaged file,
 * closing.  One thread owns a struct spool.
 *
 * Opening never gives up on damage: the file is set aside, a new one names it
 * as its predecessor, the time and what cannot be read become one gap.  The same
 * when the file is gone and only the lock file beside it knows its id.  It does
 * give up on a newer file, and on one that another agent holds.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool_wreck.h"

#define MAX_BYTES_LEAST (1024 * 1024)

static void
spool_free(struct spool *s)
{
	if (s == NULL)
		return;
	salvage_free(s);
	db_close(s);
	pending_free(&s->p);
	defs_free(s);
	free(s->in_memory);
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
	s->group_ms = opts->group_ms;
	s->memory_bytes = opts->memory_bytes != 0 ? opts->memory_bytes : SPOOL_MEMORY_BYTES;
	s->ballast_bytes = opts->ballast_bytes;
	s->boot = opts->boot;
	s->clock = opts->clock;
	s->opened_ms = s->covered_ms = bl_boot_ms(s->clock);
	s->receipt_mono_ms = INT64_MIN / 2;
	s->max_packet = BL_BATCH_WIRE_MAX;
	s->event_mono_ms = INT64_MAX;
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		s->in_memory_from_ms[i] = INT64_MAX;
		s->cut_mono_ms[i] = bl_mono_ms(s->clock);
		s->raw_per_open_pct[i] = 100;
		s->open_from_ms[i] = INT64_MAX;
		s->live_from[i] = INT64_MAX;
	}
	*out = s;
	return BL_OK;
}

/* ---- a new file in the place of one that cannot be used ---- */

struct state_look {
	struct spool_durable d;
	bool found;
};

static bool
look_for_state(void *ctx, const struct wreck_row *r)
{
	struct state_look *l = ctx;
	char device[BL_DEVICE_ID_MAX + 1];
	int64_t seal;

	if (r->kind == WRECK_STATE)
		l->found = wreck_state(r, &l->d, device, sizeof(device), &seal);
	return !l->found;
}

/* The id that a file says it has; false: it cannot be read. */
static bool
id_of_file(const char *path, struct bl_id *id)
{
	struct state_look l = { .found = false };
	struct wreck *w;

	if (wreck_open(&w, path, NULL) < 0)
		return false;
	/* It is among the first pages that were ever made. */
	for (uint32_t page = 1; page <= wreck_pages(w) && page <= 64 && !l.found; page++)
		wreck_page(w, page, look_for_state, &l);
	wreck_close(w);
	*id = l.d.spool;
	return l.found;
}

/*
 * Sets the file aside, once: what follows may fail (a full disk) and be tried
 * again.  What this process knew of the file is kept for its salvage.
 */
static int
put_aside(struct spool *s, const char *why, struct bl_err *err)
{
	char to[4096] = "";
	struct bl_id id = { { 0 } };
	int rc;

	if (s->replacing)
		return BL_OK;
	db_close(s);
	if (!file_noted_identity(s, &id))
		(void)id_of_file(s->path, &id);
	s->aside[0] = '\0';
	/* A log without its file may still hold something. */
	if (access(s->path, F_OK) == 0 || file_bytes(s->path, "-wal") > 0) {
		if ((rc = file_set_aside(s, why, to, sizeof(to), err)) < 0)
			return rc;
		(void)snprintf(s->aside, sizeof(s->aside), "%s", strrchr(to, '/') + 1);
	}
	s->replaced_known = s->loaded;
	s->replaced = s->d;
	s->replaced_id = id;
	s->replacing = true;
	return BL_OK;
}

/* The new file, which says what is to be salvaged into it from its first transaction on. */
static int
begin_anew(struct spool *s, bool salvage, struct bl_err *err)
{
	const struct bl_err reason = *err;
	bool created = false;
	int rc;

	memset(&s->d, 0, sizeof(s->d));
	s->d.spool = bl_id_random(s->clock);
	s->d.predecessor = s->replaced_id;
	s->d.gen = salvage ? SPOOL_GEN_AFTER_DAMAGE : 1;
	s->damaged = s->suspect = s->begun = false;
	s->salvage_wanted = salvage;
	spool_outstanding_clear_all(s);
	salvage_free(s);
	memset(&s->recovery, 0, sizeof(s->recovery));
	if ((rc = db_open(s, &created, err)) < 0) {
		s->damaged = true; /* tried again */
		if (rc == BL_EFULL)
			(void)ballast_release(s);
		return rc;
	}
	s->replacing = false;
	file_note_identity(s);
	(void)bl_fail(err, BL_OK, "a new spool begins, the old one %s%s: %s",
	    s->aside[0] != '\0' ? "was set aside as " : "is gone", s->aside,
	    reason.msg[0] != '\0' ? reason.msg : "it cannot be used");
	bl_error("spool", "%s", err->msg);
	return SPOOL_REPLACED;
}

/* A report of the past, which says nothing of when others came. */
static void
note_twin(struct spool *s, const struct spool_row *row)
{
	struct spool_twin *more =
	    realloc(s->in_memory, (s->n_in_memory + 1) * sizeof(*s->in_memory));

	if (more == NULL)
		return; /* twice, if it comes to that, rather than others not at all */
	s->in_memory = more;
	more[s->n_in_memory++] = (struct spool_twin){ (int64_t)row->stream, row->boot_ms,
		row_crc(row->stream, row->kind, row->boot_ms, row->n, row->data, row->len) };
}

/*
 * A commit whose fate is unknown: its rows are in memory still, so what of them
 * the damaged file may hold must not come over as well.
 */
static void
settle_doubt_for_good(struct spool *s)
{
	const struct spool_row *row = s->p.head;

	free(s->in_memory);
	s->in_memory = NULL;
	s->n_in_memory = 0;
	for (unsigned i = 0; i < BL_STREAMS; i++)
		s->in_memory_from_ms[i] = INT64_MAX;
	for (unsigned n = 0; n < s->p.doubt.rows && row != NULL; n++, row = row->next) {
		int64_t *from = &s->in_memory_from_ms[stream_index(row->stream)];

		if (row->boot_ms < s->d.covered_ms)
			note_twin(s, row);
		else if (row->boot_ms < *from)
			*from = row->boot_ms;
	}
	s->log_unsure = false;
	s->p.doubt_no = 0;
	memset(&s->p.doubt, 0, sizeof(s->p.doubt));
}

/* What the run in the new file begins with: where the old one's last commit ended. */
static void
begin_where_it_ended(struct spool *s)
{
	if (s->replacing)
		return;
	settle_doubt_for_good(s);
	if (s->begun && s->loaded)
		s->opened_ms = s->d.covered_ms;
	if (s->covered_ms < s->opened_ms)
		s->covered_ms = s->opened_ms;
	for (unsigned i = 0; i < BL_STREAMS; i++)
		if (s->live_from[i] != INT64_MAX)
			s->live_from[i] = 1;
}

int
spool_replace(struct spool *s, struct bl_err *err)
{
	struct bl_err local = { 0 }, later = { 0 };
	int rc;

	if (err == NULL)
		err = &local;
	if (err->msg[0] == '\0')
		(void)bl_fail(err, BL_ECORRUPT, "spool %s: damaged", s->path);
	begin_where_it_ended(s);
	if ((rc = put_aside(s, "damaged", err)) == BL_OK)
		rc = begin_anew(s, true, err);
	if (rc >= 0 && (rc = pending_renumber(s, &later)) == BL_OK)
		rc = begin_boot(s, &later);
	if (rc == BL_EFULL && s->db != NULL)
		rc = BL_OK; /* begun with the first commit that works */
	if (rc < 0 && later.code != 0)
		*err = later;
	return rc < 0 ? rc : SPOOL_REPLACED;
}

const char *
spool_aside(const struct spool *s)
{
	return s->aside;
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
	int rc;

	if (why == BL_ECORRUPT)
		return spool_replace(s, err);
	if ((rc = put_aside(s, "foreign", err)) < 0 || (rc = begin_anew(s, false, err)) < 0)
		return rc;
	if ((rc = begin_boot(s, &later)) < 0 && rc != BL_EFULL) {
		*err = later;
		return rc;
	}
	return SPOOL_REPLACED;
}

/* The agent died, or the disk was full, after a damaged file was set aside and before there was a
 * new one. */
static bool
was_replacing(struct spool *s, struct bl_err *err)
{
	struct bl_id noted, id;
	char to[4096];

	if (!db_is_empty(s->path) || !file_last_aside(s, "-damaged", to, sizeof(to)) ||
	    !file_noted_identity(s, &noted))
		return false;
	file_finish_aside(s, to);
	/* An old one that has been salvaged long since has not the id that was noted last. */
	if (!id_of_file(to, &id) || !bl_id_equal(&id, &noted))
		return false;
	(void)snprintf(s->aside, sizeof(s->aside), "%s", strrchr(to, '/') + 1);
	s->replaced_id = id;
	s->replacing = true;
	(void)bl_fail(err, BL_ECORRUPT, "spool %s: damaged, its replacement was cut off", s->path);
	return true;
}

/* Nothing lies here, and the lock file knows the spool that did: what it held is lost. */
static bool
is_gone(struct spool *s, struct bl_err *err)
{
	struct bl_id noted;

	if (!db_is_empty(s->path) || !file_noted_identity(s, &noted) || file_noted_other_device(s))
		return false;
	(void)bl_fail(err, BL_ECORRUPT, "spool %s: its file was deleted", s->path);
	return true;
}

static int
open_file(struct spool *s, struct bl_err *err)
{
	struct bl_err later = { 0 };
	bool created = false;
	int rc;

	if ((rc = check_newer(s, err)) < 0)
		return rc;
	if (was_replacing(s, err) || is_gone(s, err))
		return spool_replace(s, err);
	s->d.spool = bl_id_random(s->clock);
	s->d.gen = 1;
	rc = db_open(s, &created, err);
	if (rc == BL_OK && !created && (rc = db_check(s, err)) == BL_OK)
		rc = check_device(s, err);
	if (rc == BL_ECORRUPT || rc == BL_EEXIST)
		return open_instead(s, rc, err);
	if (rc < 0)
		return rc;
	file_note_identity(s);
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
	ballast_keep(s);
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
