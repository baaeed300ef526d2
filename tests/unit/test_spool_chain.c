/* One disaster after the other: a damaged file, and what had happened to it, or happens to the centre next. */
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include "spool_handshake_kit.h"

/* Batches of one stream, of five ticks each. */
static void
cuts(struct kit *k, int n)
{
	for (int i = 0; i < n; i++) {
		ticks(k, 5);
		kit_cut_all(k);
	}
}

static void
change(const struct kit *k, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(k->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Its first page is gone, and some of the rest; what salvage finds comes over. */
static void
damage(struct kit *k, const char *sql)
{
	int fd;

	kit_close(k);
	if (sql != NULL)
		change(k, sql);
	fd = open(k->path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "no database", 11, 0), 11);
	assert_int_equal(close(fd), 0);
	kit_pass(&k->time, 60000);
	kit_open(k, SPOOL_REPLACED);
	kit_salvage(k);
}

static void
trim(struct kit *k)
{
	struct bl_err err = { 0 };

	for (bool more = true; more;)
		assert_int_equal(spool_trim(k->s, &more, &err), BL_OK);
}

/* All of it, with what is still to be told. */
static void
settle(struct centre *c, struct kit *k)
{
	centre_handshake(c, k);
	for (int i = 0; i < 3; i++) {
		trim(k);
		kit_pass(&k->time, 6000);
		kit_cut_all(k);
		centre_drain(c, k);
	}
}

/* The entry about this seq of the host stream; NULL: none. */
static const struct bl_gap *
about(const struct centre *c, const struct bl_id *spool, uint64_t seq)
{
	for (unsigned i = 0; i < c->n_gaps; i++) {
		const struct bl_gap *g = &c->gap[i];

		if (g->stream == BL_STREAM_HOST && g->seq_first <= seq && g->seq_last >= seq &&
		    bl_id_equal(&g->spool, spool))
			return g;
	}
	return NULL;
}

static void
assert_named(const struct centre *c, const struct bl_id *spool, uint64_t first, uint64_t last,
    enum bl_gap_reason reason)
{
	for (uint64_t seq = first; seq <= last; seq++) {
		const struct bl_gap *g = about(c, spool, seq);

		if (g == NULL || g->reason != reason)
			fail_msg("seq %llu: reason %d, not %d", (unsigned long long)seq,
			    g == NULL ? 0 : (int)g->reason, (int)reason);
	}
}

/* The row of a batch is whole, its message is not: it knows when that was, and how much. */
static void
a_lost_message_has_times(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	const struct bl_gap *g;
	int64_t begin_ms, end_ms;
	struct bl_id old;

	kit_open(k, SPOOL_CREATED);
	cuts(k, 2);
	begin_ms = k->time.boot_ms;
	cuts(k, 1);
	end_ms = k->time.boot_ms;
	cuts(k, 2);
	old = status(k).spool;
	damage(k, "DELETE FROM body WHERE (id >> 48) & 3 = 3 AND id & 0xffff = 3");
	settle(c, k);
	g = about(c, &old, 3);
	assert_non_null(g);
	assert_int_equal(g->reason, BL_GAP_DAMAGED);
	assert_true(bl_id_equal(&g->begin_boot, &k->opts.boot));
	assert_int_equal(g->begin_boot_ms, begin_ms);
	assert_int_equal(g->end_boot_ms, end_ms);
	assert_int_equal(centre_lost(c, BL_STREAM_HOST, BL_GAP_DAMAGED), 5 * KIT_SERIES);
	free(c);
}

/* What a batch told that came over, and is dropped then, is told by another. */
static void
what_a_recovered_batch_told_is_told_again(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k);
	int64_t off_to;
	unsigned told = 0;

	kit_open(k, SPOOL_CREATED);
	cuts(k, 1);
	kit_crash(k);
	kit_pass(&k->time, 3600000);
	kit_open(k, SPOOL_OPENED);
	off_to = k->time.boot_ms;
	cuts(k, 1); /* its events batch tells of that hour, and never leaves */
	damage(k, NULL);
	kit_close(k);
	change(k, "UPDATE body SET msg=CAST(substr(msg,1,length(msg)-3)||x'00ff00' AS BLOB)"
		  " WHERE id IN (SELECT id FROM batch WHERE gaps > 0)");
	kit_open(k, SPOOL_OPENED);
	settle(c, k);
	for (unsigned i = 0; i < c->n_gaps; i++)
		told += c->gap[i].stream == BL_STREAM_HOST && c->gap[i].reason == BL_GAP_OFF &&
			c->gap[i].end_boot_ms == off_to;
	assert_int_equal(told, 1);
	free(c);
}

/* The centre was set back while the file was whole and nobody spoke; then the file is damaged. */
static void
what_had_its_receipt_was_lost_at_the_centre(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k), *backup = malloc(sizeof(*backup));
	struct bl_id old;

	assert_non_null(backup);
	kit_open(k, SPOOL_CREATED);
	cuts(k, 1);
	centre_drain(c, k);
	memcpy(backup, c, sizeof(*c));
	cuts(k, 3);
	centre_drain(c, k);
	old = status(k).spool;
	memcpy(c, backup, sizeof(*c));
	cuts(k, 1);
	damage(k, NULL);
	settle(c, k);
	assert_named(c, &old, 2, 4, BL_GAP_LOST_AT_CENTRE);
	assert_int_equal(about(c, &old, 5)->reason, BL_GAP_ROLLED_BACK); /* it came */
	free(backup);
	free(c);
}

/* The same of the id before a roll-back, whose batches lay in the damaged file. */
static void
what_a_former_id_of_a_damaged_file_delivered_is_named(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k), *backup = malloc(sizeof(*backup));
	struct bl_id first, second;
	char copy[128];

	assert_non_null(backup);
	(void)snprintf(copy, sizeof(copy), "%s/copy", k->dir);
	kit_open(k, SPOOL_CREATED);
	cuts(k, 1);
	centre_drain(c, k);
	memcpy(backup, c, sizeof(*c));
	cuts(k, 2);
	centre_drain(c, k);
	first = status(k).spool;
	kit_copy_spool(k, copy);
	cuts(k, 1);
	centre_drain(c, k);
	kit_crash(k);
	kit_restore_spool(k, copy);
	kit_open(k, SPOOL_OPENED);
	cuts(k, 1);
	centre_drain(c, k);
	second = status(k).spool;
	assert_false(bl_id_equal(&first, &second));
	damage(k, NULL);
	settle(c, k);
	memcpy(c, backup, sizeof(*c));
	c->epoch = bl_id_random(&k->time.clock);
	settle(c, k);
	assert_named(c, &first, 2, 4, BL_GAP_LOST_AT_CENTRE);
	assert_named(c, &second, 1, 1, BL_GAP_LOST_AT_CENTRE);
	free(backup);
	free(c);
}

/* It came over, the centre had it, and lost it: what is held says when it was. */
static void
what_came_over_and_was_lost_at_the_centre_has_times(void **state)
{
	struct kit *k = *state;
	struct centre *c = centre_new(k), *fresh = centre_new(k);
	const struct bl_gap *g;
	struct bl_id old;
	char copy[128];

	(void)snprintf(copy, sizeof(copy), "%s/copy", k->dir);
	kit_open(k, SPOOL_CREATED);
	cuts(k, 3);
	old = status(k).spool;
	kit_copy_spool(k, copy);
	centre_drain(c, k);
	kit_crash(k);
	kit_restore_spool(k, copy); /* the receipts are gone, the batches are not */
	kit_open(k, SPOOL_OPENED);
	damage(k, NULL);
	settle(c, k);
	fresh->epoch = bl_id_random(&k->time.clock);
	settle(fresh, k);
	g = about(fresh, &old, 2);
	assert_non_null(g);
	assert_int_equal(g->reason, BL_GAP_LOST_AT_CENTRE);
	assert_true(g->end_boot_ms - g->begin_boot_ms >= 5000);
	assert_int_equal(
	    centre_lost(fresh, BL_STREAM_HOST, BL_GAP_LOST_AT_CENTRE), 15 * KIT_SERIES);
	free(fresh);
	free(c);
}

#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_lost_message_has_times),
		T(what_a_recovered_batch_told_is_told_again),
		T(what_had_its_receipt_was_lost_at_the_centre),
		T(what_a_former_id_of_a_damaged_file_delivered_is_named),
		T(what_came_over_and_was_lost_at_the_centre_has_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
