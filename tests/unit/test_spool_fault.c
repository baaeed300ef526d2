/*
 * One workload, every failing operation: a shim between SQLite and the disk
 * lets the n-th write, sync or truncate fail, for n = 1, 2, 3 ... until the
 * workload ends without meeting it.  After each: nothing lost, nothing doubled,
 * nobody had to restart.
 */
#include "folder.h"
#include "spool_kit.h"

#include <sqlite3.h>

enum fault_kind { FAULT_WRITE_EIO, FAULT_WRITE_FULL, FAULT_SYNC_EIO, FAULT_KINDS };
static const char *const kind_name[] = { "write EIO", "write full", "sync EIO" };

static struct {
	enum fault_kind kind;
	int countdown; /* 0: off */
	int length;    /* so many in a row */
	bool fired;
	sqlite3_vfs *real;
} fault;

struct shim_file {
	sqlite3_file base;
	sqlite3_file *real;
};

static bool
fails(enum fault_kind a, enum fault_kind b)
{
	if ((fault.kind != a && fault.kind != b) || fault.countdown == 0)
		return false;
	if (fault.countdown > 1) {
		fault.countdown--;
		return false;
	}
	fault.fired = true;
	if (--fault.length == 0)
		fault.countdown = 0;
	return true;
}

static sqlite3_file *
real_of(sqlite3_file *f)
{
	return ((struct shim_file *)f)->real;
}

static int
shim_close(sqlite3_file *f)
{
	return real_of(f)->pMethods->xClose(real_of(f));
}

static int
shim_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}

static int
shim_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	if (fails(FAULT_WRITE_EIO, FAULT_WRITE_FULL)) {
		/* Half of it arrives. */
		(void)real_of(f)->pMethods->xWrite(real_of(f), p, n / 2, at);
		return fault.kind == FAULT_WRITE_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	}
	return real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
}

static int
shim_truncate(sqlite3_file *f, sqlite3_int64 n)
{
	return real_of(f)->pMethods->xTruncate(real_of(f), n);
}

static int
shim_sync(sqlite3_file *f, int flags)
{
	(void)f;
	(void)flags; /* no power is cut here: the real sync would only cost time */
	return fails(FAULT_SYNC_EIO, FAULT_SYNC_EIO) ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int
shim_size(sqlite3_file *f, sqlite3_int64 *n)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), n);
}

static int
shim_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int
shim_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int
shim_check(sqlite3_file *f, int *out)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int
shim_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int
shim_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int
shim_traits(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int
shim_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
	return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}

static int
shim_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void
shim_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int
shim_shm_unmap(sqlite3_file *f, int drop)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), drop);
}

static int
shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	static const sqlite3_io_methods methods = { 2, shim_close, shim_read, shim_write,
		shim_truncate, shim_sync, shim_size, shim_lock, shim_unlock, shim_check,
		shim_control, shim_sector, shim_traits, shim_shm_map, shim_shm_lock,
		shim_shm_barrier, shim_shm_unmap, NULL, NULL };
	struct shim_file *s = (struct shim_file *)f;
	int rc;

	(void)vfs;
	s->real = (sqlite3_file *)(s + 1);
	rc = fault.real->xOpen(fault.real, name, s->real, flags, out);
	s->base.pMethods = s->real->pMethods != NULL ? &methods : NULL;
	return rc;
}

static int
install(void **state)
{
	static sqlite3_vfs shim;

	(void)state;
	fault.real = sqlite3_vfs_find(NULL);
	shim = *fault.real;
	shim.zName = "shim";
	shim.szOsFile = (int)sizeof(struct shim_file) + fault.real->szOsFile;
	shim.xOpen = shim_open;
	return sqlite3_vfs_register(&shim, 1);
}

/* ---- the workload ---- */

static void
commit_until_it_works(struct kit *k, const char *what)
{
	struct bl_err err = { 0 };
	uint64_t lost = 0;
	int rc = -1;

	for (int i = 0; i < 5 && rc < 0; i++) {
		rc = spool_commit(k->s, &lost, &err);
		assert_int_equal(lost, 0);
		if (rc == BL_ECORRUPT)
			fail_msg("%s: taken for damage: %s", what, err.msg);
	}
	if (rc < 0)
		fail_msg("%s: never recovered: %s", what, err.msg);
	memcpy(k->accepted, k->appended, sizeof(k->accepted));
}

/* What fails is tried again, as the thread does. */
static void
exchange(struct kit *k, struct centre *c)
{
	struct spool_want want = { .live = true, .past_bytes = 65536, .max_frames = 4 };
	struct spool_frame f[4];
	struct bl_err err = { 0 };
	struct bl_receipt r;
	struct bl_hello h;
	unsigned n = 0;
	bool hello;

	if (spool_hello(k->s, &h, &err) < 0)
		return;
	centre_receipt(c, &h.spool, c->n % 2 == 0, &r);
	want.dict_known = r.dict_version;
	if (r.is_answer)
		(void)spool_on_answer(k->s, &r, &err);
	if (spool_offer(k->s, &want, f, &n, &err) < 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		centre_take(c, &f[i]);
		bl_buf_free(&f[i].msg);
	}
	centre_receipt(c, &h.spool, false, &r);
	(void)spool_on_receipt(k->s, &r, &hello, &err);
}

static void
workload(struct kit *k, struct centre *c, const char *what)
{
	struct bl_err err = { 0 };
	bool more;
	unsigned cut;

	for (int i = 0; i < 24; i++) {
		kit_tick(k, BL_STREAM_HOST);
		kit_tick(k, BL_STREAM_PROBES);
		commit_until_it_works(k, what);
		if (i % 4 == 3)
			(void)spool_cut_all(k->s, &cut, &err);
		if (i % 6 == 5)
			exchange(k, c);
		if (i % 10 == 9)
			(void)spool_trim(k->s, &more, &err);
	}
}

/* False: the fault was beyond the workload. */
static bool
run_one(enum fault_kind kind, int nth, int length)
{
	char what[80];
	struct centre *c;
	struct kit *k;

	(void)snprintf(what, sizeof(what), "%s at %d, %d in a row", kind_name[kind], nth, length);
	assert_int_equal(kit_setup((void **)&k), 0);
	k->opts.keep_receipted_ms = 5000;
	c = centre_new(k);
	kit_open(k, SPOOL_CREATED);
	fault.kind = kind;
	fault.length = length;
	fault.countdown = nth;
	fault.fired = false;
	workload(k, c, what);
	fault.countdown = 0;
	commit_until_it_works(k, what);
	kit_cut_all(k);
	centre_drain(c, k);
	centre_assert_exact(c, BL_STREAM_HOST, k->appended[2]);
	centre_assert_exact(c, BL_STREAM_PROBES, k->appended[1]);
	assert_int_equal(c->conflicts, 0);
	assert_int_equal(c->n_gaps, 0);
	/* And the file is sound. */
	kit_close(k);
	kit_open(k, SPOOL_OPENED);
	free(c);
	kit_teardown((void **)&k);
	return fault.fired;
}

static void
every_failing_operation_is_survived(void **state)
{
	static const int lengths[] = { 1, 3 };
	const bool all = rounds(0, 1) > 0; /* else each of the first ones, then one in 17 */

	(void)state;
	for (int kind = 0; kind < FAULT_KINDS; kind++)
		for (size_t l = 0; l < 2; l++) {
			int nth = 1;

			while (run_one((enum fault_kind)kind, nth, lengths[l]))
				nth += nth < 24 || all ? 1 : 17;
			print_message("%s, %d in a row: %d operations\n", kind_name[kind],
			    lengths[l], nth - 1);
			assert_true(nth > 20);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_failing_operation_is_survived, install),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
