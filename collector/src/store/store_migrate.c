/*
 * Brings the database up to this build's schema: numbered steps, each in a
 * transaction of its own with its number in PRAGMA user_version.
 *
 * A file made by a newer version is refused and left exactly as it was: reading
 * it comes before anything that could write.  A file whose header contradicts its own
 * tables is damaged, which is for the caller to see to (BL_ECORRUPT).
 */
#include "store_internal.h"

#include "branchline/log.h"

int
store_schema_version(void)
{
	int version = 0;

	for (const struct store_migration *m = store_migrations; m->sql != NULL; m++)
		version = m->version;
	return version;
}

/* Once more, where a flipped bit of the header does not reach: see check_header. */
static int
note_version(sqlite3 *db, int version, struct bl_err *err)
{
	char *sql = sqlite3_mprintf(
	    "INSERT OR REPLACE INTO meta (key, value) VALUES ('schema', %d)", version);
	int rc;

	if (sql == NULL)
		return bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
	rc = store_exec(db, sql, err);
	sqlite3_free(sql);
	return rc;
}

static int
apply(sqlite3 *db, const struct store_migration *m, struct bl_err *err)
{
	char *set;
	int rc;

	if ((rc = store_exec(db, "BEGIN IMMEDIATE", err)) < 0)
		return rc;
	if ((rc = store_exec(db, m->sql, err)) < 0)
		goto fail;
	if ((set = sqlite3_mprintf("PRAGMA user_version = %d", m->version)) == NULL) {
		rc = bl_fail(err, BL_ENOMEM, "telemetry store: out of memory");
		goto fail;
	}
	rc = store_exec(db, set, err);
	sqlite3_free(set);
	if (rc == BL_OK)
		rc = note_version(db, m->version, err);
	if (rc < 0 || (rc = store_exec(db, "COMMIT", err)) < 0)
		goto fail;
	bl_info("store", "schema brought to version %d step=%s", m->version, m->name);
	return BL_OK;

fail:
	(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); /* err says what failed first */
	bl_err_prefix(err, "migration %s", m->name);
	return rc;
}

/* As meta says; 0: it does not. */
static int
noted_version(sqlite3 *db, int64_t *out, struct bl_err *err)
{
	return store_pragma_int(
	    db, "SELECT coalesce((SELECT value FROM meta WHERE key = 'schema'), 0)", out, err);
}

/*
 * A flipped bit of the header makes another application or version of a store of ours;
 * its tables and what meta says tell.  A version that is only a little newer is believed:
 * a newer store must never be touched.
 */
static int
check_header(sqlite3 *db, int64_t version, int64_t application, struct bl_err *err)
{
	int64_t noted = 0;
	int rc;

	if (application != STORE_APPLICATION_ID)
		return bl_fail(err, BL_ECORRUPT, "telemetry store: its header is damaged");
	if ((rc = noted_version(db, &noted, err)) < 0)
		return rc;
	if (noted > 0 && noted <= store_schema_version() && noted != version &&
	    (version < noted || version > noted + STORE_VERSIONS_BELIEVED))
		return bl_fail(err, BL_ECORRUPT,
		    "telemetry store: its header says version %lld, its tables %lld",
		    (long long)version, (long long)noted);
	return BL_OK;
}

int
store_migrate(sqlite3 *db, const char *path, enum store_found *found, struct bl_err *err)
{
	int64_t version = 0, application = 0, tables = 0, ours = 0;
	int rc;

	/* Steps sort: in memory, for a file of SQLite's own may fail as any other. */
	if ((rc = store_exec(db, "PRAGMA temp_store = MEMORY", err)) < 0)
		return rc;
	if ((rc = store_pragma_int(db, "PRAGMA user_version", &version, err)) < 0 ||
	    (rc = store_pragma_int(db, "PRAGMA application_id", &application, err)) < 0 ||
	    (rc = store_pragma_int(db, "SELECT count(*) FROM sqlite_master", &tables, err)) < 0 ||
	    (rc = store_pragma_int(db,
		 "SELECT count(*) FROM sqlite_master WHERE type = 'table'"
		 " AND name IN ('meta', 'batch', 'coverage', 'seq_range')",
		 &ours, err)) < 0)
		return rc;
	if (version == 0 && tables == 0)
		*found = STORE_FOUND_EMPTY;
	else if (application != STORE_APPLICATION_ID && ours < 4)
		*found = STORE_FOUND_FOREIGN;
	if (*found == STORE_FOUND_FOREIGN)
		return bl_fail(err, BL_ECORRUPT,
		    "%s is an SQLite database, but not a telemetry store; it was left as it is",
		    path);
	if (ours == 4 && (rc = check_header(db, version, application, err)) < 0)
		return rc;
	if (version > store_schema_version())
		return bl_fail(err, BL_ENEWER,
		    "%s has schema version %lld; this program knows versions up to %d: a newer"
		    " Branchline made it, start that one; it was left as it is",
		    path, (long long)version, store_schema_version());
	if ((rc = store_refuse_draft(db, version, path, err)) < 0)
		return rc;
	/*
	 * WAL only now: the switch writes to the file.  8 KiB: batches of 1 to
	 * 2 kB leave less of a page unused, and rows up to 8 kB need no second one.
	 * Pages that stay unused can be given back; only a file that is being made can be so, an
	 * older one would have to be written anew.  Where it is so already, to say it once more
	 * would be a commit at each start, whose sync may fail.
	 */
	if (*found == STORE_FOUND_EMPTY &&
	    (rc = store_exec(
		 db, "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL", err)) < 0)
		return rc;
	if ((rc = store_exec(db, "PRAGMA journal_mode = WAL", err)) < 0)
		return rc;
	if (*found == STORE_FOUND_EMPTY &&
	    (rc = store_exec(db, "PRAGMA application_id = 1112298573", err)) < 0)
		return rc;
	for (const struct store_migration *m = store_migrations; m->sql != NULL; m++)
		if (m->version > version && (rc = apply(db, m, err)) < 0)
			return rc;
	return BL_OK;
}
