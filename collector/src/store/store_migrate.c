/*
 * Brings the database up to this build's schema: numbered steps, each in a
 * transaction of its own with its number in PRAGMA user_version.
 *
 * A file made by a newer version is refused and left exactly as it was: reading
 * it comes before anything that could write.
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
	if (rc < 0 || (rc = store_exec(db, "COMMIT", err)) < 0)
		goto fail;
	bl_info("store", "schema brought to version %d step=%s", m->version, m->name);
	return BL_OK;

fail:
	(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); /* err says what failed first */
	bl_err_prefix(err, "migration %s", m->name);
	return rc;
}

int
store_migrate(sqlite3 *db, const char *path, bool *created, struct bl_err *err)
{
	int64_t version = 0, application = 0, tables = 0;
	int rc;

	if ((rc = store_pragma_int(db, "PRAGMA user_version", &version, err)) < 0 ||
	    (rc = store_pragma_int(db, "PRAGMA application_id", &application, err)) < 0 ||
	    (rc = store_pragma_int(db, "SELECT count(*) FROM sqlite_master", &tables, err)) < 0)
		return rc;
	*created = version == 0 && tables == 0;
	if (!*created && application != STORE_APPLICATION_ID)
		return bl_fail(err, BL_ECORRUPT,
		    "%s is an SQLite database, but not a telemetry store; it was left as it is",
		    path);
	if (version > store_schema_version())
		return bl_fail(err, BL_ENEWER,
		    "%s has schema version %lld; this program knows versions up to %d: a newer"
		    " Branchline made it, start that one; it was left as it is",
		    path, (long long)version, store_schema_version());
	/*
	 * WAL only now: the switch writes to the file.  8 KiB: batches of 1 to
	 * 2 kB leave less of a page unused, and rows up to 8 kB need no second one.
	 */
	if ((rc = store_exec(db, "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL", err)) < 0)
		return rc;
	if (*created && (rc = store_exec(db, "PRAGMA application_id = 1112298573", err)) < 0)
		return rc;
	for (const struct store_migration *m = store_migrations; m->sql != NULL; m++)
		if (m->version > version && (rc = apply(db, m, err)) < 0)
			return rc;
	return BL_OK;
}
