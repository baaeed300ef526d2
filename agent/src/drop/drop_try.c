/* A file read as the inlet reads it, by a host that stores nothing. */
#include "drop_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

struct trying {
	struct drop in;
	struct inlet_host host;
	struct drop_folder_conf conf;
	struct drop_folder folder;
	struct drop_lane lane;
	const struct drop_told *told;
	unsigned n;
	uint64_t token[DROP_FLIGHT]; /* to be answered */
};

static int
take(void *ctx, const struct inlet_report *r, uint64_t token, struct bl_err *err)
{
	struct trying *t = ctx;
	const struct drop_file *file = &t->lane.file;
	const struct bl_str text = { file->buf + file->from, file->row.used };
	const int rc = inlet_report_check(r, t->host.clock, err);

	if (rc < 0)
		return rc;
	if (t->n == DROP_FLIGHT)
		return bl_fail(err, BL_EFULL, "those before it first");
	t->told->report(t->told->ctx, file->next.line, text, file->map, r);
	t->token[t->n++] = token;
	return BL_OK;
}

static void
read_all(struct trying *t)
{
	enum drop_step step;
	unsigned n;

	do {
		t->n = 0;
		step = drop_send(&t->lane);
		n = t->n;
		for (unsigned i = 0; i < n; i++)
			drop_send_done(&t->lane, t->token[i], 0);
	} while (step == DROP_STEP_MORE || (step == DROP_STEP_WAIT && n > 0));
}

static void
prepare(struct trying *t, const struct drop_folder_conf *conf, const struct drop_told *told)
{
	t->told = told;
	t->host.ctx = t;
	t->host.clock = bl_clock_real();
	t->host.report = take;
	t->conf = *conf;
	t->conf.settle_ms = 0; /* nobody is writing it */
	t->in.host = &t->host;
	t->folder.conf = &t->conf;
	t->folder.in = &t->in;
	t->folder.fd = AT_FDCWD;
	t->lane.of = &t->folder;
}

static int
open_file(struct trying *t, const char *path, struct bl_err *err)
{
	struct drop_seen seen = { .name = realpath(path, NULL) };
	struct stat st;
	bool waits = false, open;

	if (seen.name == NULL || stat(seen.name, &st) < 0) {
		free(seen.name);
		return bl_fail_errno(err, BL_ENOTFOUND, "open %s", path);
	}
	seen.ino = st.st_ino;
	seen.size = st.st_size;
	seen.mtime_ns = drop_mtime_ns(&st);
	open = drop_file_open(&t->lane, &seen, &waits);
	free(seen.name);
	if (!open)
		return bl_fail(err, waits ? BL_EUNSUPPORTED : BL_ENOTFOUND,
		    waits ? "%s would wait" : "%s is no file that can be read", path);
	t->lane.file.bad.told = t->told;
	return BL_OK;
}

int
drop_try(const struct drop_folder_conf *conf, const char *path, const struct drop_told *told,
    uint64_t *other, struct bl_err *err)
{
	struct trying *t = calloc(1, sizeof(*t));
	int rc;

	if (t == NULL)
		return bl_fail(err, BL_ENOMEM, "drop: out of memory");
	prepare(t, conf, told);
	if ((rc = drop_rows_open(&t->lane.rows, &t->conf, err)) == BL_OK &&
	    (rc = open_file(t, path, err)) == BL_OK)
		read_all(t);
	*other = t->in.count[DROP_N_OTHER_ROWS];
	drop_file_close(&t->lane);
	drop_rows_close(&t->lane.rows);
	free(t);
	return rc;
}
