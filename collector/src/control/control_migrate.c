/*
 * Migrations of the control database: numbered SQL files, embedded at build,
 * applied in order, each in a transaction of its own together with the new
 * PRAGMA user_version.  There is no way back: an older program refuses a newer
 * database and leaves it untouched.
 */
#include "control_internal.h"

#include "branchline/log.h"

#include "control_sql.h"

extern const unsigned char control_sql_001[];
extern const unsigned char control_sql_002[];
extern const unsigned char control_sql_003[];
extern const unsigned char control_sql_004[];
extern const unsigned char control_sql_005[];

static const struct migration {
	int n;
	const char *name;
	const unsigned char *sql;
} migrations[] = {
	{ 1, "base", control_sql_001 },
	{ 2, "evaluation", control_sql_002 },
	{ 3, "operator", control_sql_003 },
	{ 4, "packed", control_sql_004 },
	{ 5, "kept", control_sql_005 },
};

#define N_MIGRATIONS ((int)(sizeof(migrations) / sizeof(migrations[0])))

int
control_schema_version(void)
{
	return migrations[N_MIGRATIONS - 1].n;
}

static int
exec(sqlite3 *db, const char *sql, const char *what, struct bl_err *err)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return control_sql_fail(db, what, err);
	return BL_OK;
}

static int
apply(sqlite3 *db, const struct migration *m, int64_t now_unix_ms, struct bl_err *err)
{
	char pragma[48];
	int rc;

	if ((rc = exec(db, (const char *)m->sql, m->name, err)) < 0)
		return rc;
	rc = control_sql_run(db, err,
	    "INSERT INTO migration (n, name, applied_unix_ms) VALUES (?, ?, ?)", "iti",
	    (int64_t)m->n, m->name, now_unix_ms);
	if (rc < 0)
		return rc;
	(void)sqlite3_snprintf(sizeof(pragma), pragma, "PRAGMA user_version = %d", m->n);
	return exec(db, pragma, "note the schema version", err);
}

/* One step: 1 when something was applied, 0 when all is new, negative on failure. */
static int
migrate_one(sqlite3 *db, const struct bl_clock *clock, struct bl_err *err)
{
	int64_t version;
	int rc;

	/* IMMEDIATE first, then look: another process may be doing the same. */
	if ((rc = exec(db, "BEGIN IMMEDIATE", "begin a migration", err)) < 0)
		return rc;
	if ((rc = control_sql_int(db, err, 0, &version, "PRAGMA user_version", "")) < 0)
		goto rollback;
	if (version > control_schema_version()) {
		rc = bl_fail(err, BL_ENEWER,
		    "control database: its schema is %lld, this program knows up to %d: a newer "
		    "version wrote it; it was left untouched",
		    (long long)version, control_schema_version());
		goto rollback;
	}
	for (int i = 0; i < N_MIGRATIONS; i++) {
		if (migrations[i].n <= version)
			continue;
		if ((rc = apply(db, &migrations[i], bl_unix_ms(clock), err)) < 0)
			goto rollback;
		if ((rc = exec(db, "COMMIT", "commit a migration", err)) < 0)
			goto rollback;
		bl_info(
		    "control", "schema brought to %d (%s)", migrations[i].n, migrations[i].name);
		return 1;
	}
	rc = 0;
rollback:
	(void)exec(db, "ROLLBACK", "roll back a migration", NULL); /* the first failure counts */
	return rc;
}

int
control_migrate(sqlite3 *db, const struct bl_clock *clock, struct bl_err *err)
{
	int rc;

	do {
		rc = migrate_one(db, clock, err);
	} while (rc > 0);
	return rc;
}
