/*
 * "control.db.mark": how far this machine has got, beside the database and not part of it,
 * so that an older copy that was put back shows.
 *
 * What must never come twice after that: ids of incidents and messages, which stand in e-mails,
 * links and webhooks' keys.  They go on behind the mark.  What was evaluated since the
 * copy is gone, so the log is evaluated again, without messages.
 *
 * Written after each commit, without a sync: after a power cut it may be behind, never
 * ahead.  A mark beside no database says that one is missing: it is not begun anew
 * behind people's backs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control_internal.h"

#include "branchline/log.h"

#include "control_sql.h"

#define MARK_MAGIC 0x31304b4d4c544342 /* "BCTLMK01" */

static uint64_t
sum_of(const struct control_mark *m)
{
	const uint8_t *p = (const uint8_t *)m;
	uint64_t h = 14695981039346656037u; /* FNV-1a */

	for (size_t i = 0; i < offsetof(struct control_mark, sum); i++)
		h = (h ^ p[i]) * 1099511628211u;
	return h;
}

bool
control_mark_read(const char *path, struct control_mark *m)
{
	char name[4200];
	ssize_t n;
	int fd;

	(void)snprintf(name, sizeof(name), "%s.mark", path);
	if ((fd = open(name, O_RDONLY | O_CLOEXEC)) < 0)
		return false;
	n = pread(fd, m, sizeof(*m), 0);
	(void)close(fd);
	return n == (ssize_t)sizeof(*m) && m->magic == MARK_MAGIC && m->sum == sum_of(m);
}

static int
now_at(sqlite3 *db, struct control_mark *m, struct bl_err *err)
{
	static const char sequence[] = "SELECT seq FROM sqlite_sequence WHERE name = ?";
	int rc;

	memset(m, 0, sizeof(*m));
	m->magic = MARK_MAGIC;
	if ((rc = control_sql_int(db, err, 0, &m->incident, sequence, "t", "incident")) < 0 ||
	    (rc = control_sql_int(db, err, 0, &m->message, sequence, "t", "outbox")) < 0 ||
	    (rc = control_sql_int(db, err, 0, &m->audit, "SELECT max(n) FROM audit", "")) < 0)
		return rc;
	m->sum = sum_of(m);
	return BL_OK;
}

void
control_mark_write(int fd, sqlite3 *db)
{
	struct control_mark m;

	/* Without it a later restore is harder to see; nothing else hangs on it. */
	if (fd >= 0 && now_at(db, &m, NULL) == BL_OK)
		(void)!pwrite(fd, &m, sizeof(m), 0);
}

int
control_mark_open(const char *path)
{
	char name[4200];

	(void)snprintf(name, sizeof(name), "%s.mark", path);
	return open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static int
go_on_behind(sqlite3 *db, const char *table, int64_t seq, struct bl_err *err)
{
	int64_t n;
	int rc;

	rc = control_sql_int(
	    db, err, 0, &n, "SELECT count(*) FROM sqlite_sequence WHERE name = ?", "t", table);
	if (rc < 0)
		return rc;
	return control_sql_run(db, err,
	    n > 0 ? "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1"
		  : "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)",
	    "ti", table, seq);
}

int
control_mark_settle(const char *path, sqlite3 *db, struct bl_err *err)
{
	struct control_mark before, now;
	int rc;

	if (!control_mark_read(path, &before))
		return BL_OK;
	if ((rc = now_at(db, &now, err)) < 0)
		return rc;
	if (now.incident >= before.incident && now.message >= before.message &&
	    now.audit >= before.audit)
		return BL_OK;
	bl_warn("control",
	    "the database is an older copy of itself (audit entry %lld of %lld): what was evaluated"
	    " since is evaluated again, without messages; ids go on where they were",
	    (long long)now.audit, (long long)before.audit);
	if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
		return control_sql_fail(db, "settle an older copy", err);
	/* An epoch that no telemetry store has: the evaluator begins anew, quietly. */
	if ((rc = go_on_behind(db, "incident", before.incident, err)) < 0 ||
	    (rc = go_on_behind(db, "outbox", before.message, err)) < 0 ||
	    (rc = control_sql_run(db, err, "UPDATE eval SET epoch = zeroblob(16)", "")) < 0 ||
	    (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK &&
		(rc = control_sql_fail(db, "settle an older copy", err)) < 0))
		(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); /* the first failure counts */
	return rc;
}
