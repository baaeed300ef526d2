#include "control_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "control_sql.h"

static int64_t
now_unix_ms(void *ctx)
{
	return ((struct control_kit *)ctx)->now_unix_ms;
}

void
control_kit_open(struct control_kit *k, const char *name, int64_t now)
{
	const struct control_opts opts = { .path = k->path, .clock = &k->clock };
	struct bl_err err = { 0 };

	k->clock = *bl_clock_real();
	k->clock.ctx = k;
	k->clock.unix_ms = now_unix_ms;
	k->now_unix_ms = now;
	folder_make(k->dir, name);
	(void)snprintf(k->path, sizeof(k->path), "%s/control.db", k->dir);
	if (control_open(&k->c, &opts, &err) < 0)
		fail_msg("%s", err.msg);
}

void
control_kit_close(struct control_kit *k)
{
	control_close(k->c);
	folder_remove(k->dir);
}

static int
run_statements(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	struct sqlite3 *db = control_tx_db(tx);

	control_tx_unaudited(tx);
	if (sqlite3_exec(db, *(const char **)ctx, NULL, NULL, NULL) != SQLITE_OK)
		return control_sql_fail(db, "fill", err);
	return 0;
}

void
control_kit_sql(struct control_kit *k, const char *statements)
{
	static const struct control_actor actor = { "system", "" };
	struct bl_err err = { 0 };

	if (control_write(k->c, &actor, run_statements, &statements, &err) != 0)
		fail_msg("%s: %s", statements, err.msg);
}
