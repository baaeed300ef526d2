/*
 * What local people and programs see: the page's server beside the loop, and
 * the answers it gives out.  An address that cannot be listened on is tried
 * again every minute and said in the status; nothing else depends on it.
 */
#include "agent_internal.h"

#include <stdlib.h>
#include <string.h>

#include "local_metrics.h"
#include "local_now.h"

#define RETRY_MS 60000

/* ---- what is said ---- */

static bool
series_of(void *ctx, int32_t handle, struct bl_series_def *out)
{
	const struct agent *a = ctx;

	return spool_thread_series_def(a->spool, handle, out);
}

static int
snapshot(struct agent *a, struct current_snapshot *out, struct bl_err *err)
{
	return current_snapshot(a->current, bl_boot_ms(a->clock), series_of, a, out, err);
}

int
agent_local_now(
    struct agent *a, const struct spool_thread_status *st, struct bl_buf *out, struct bl_err *err)
{
	char *status = agent_status_text(a, st);
	struct current_snapshot s;
	int rc;

	if (status == NULL)
		return bl_fail(err, BL_ENOMEM, "say what is current: out of memory");
	if ((rc = snapshot(a, &s, err)) == BL_OK) {
		local_now(&s, bl_unix_ms(a->clock) - bl_boot_ms(a->clock), status, out);
		current_snapshot_free(&s);
		if (out->failed)
			rc = bl_fail(err, BL_EFULL, "say what is current: too long");
	}
	free(status);
	return rc;
}

static void
answer_now(struct agent *a, uint32_t id, const struct spool_thread_status *st)
{
	struct bl_err err = { 0 };
	struct bl_buf body;

	bl_buf_init(&body, LOCAL_BODY_MAX);
	if (agent_local_now(a, st, &body, &err) < 0)
		body.failed = true;
	local_answer(a->local, id, "application/json", &body);
}

static void
answer_metrics(struct agent *a, uint32_t id, bool open)
{
	const struct local_facts facts = { .version = BL_VERSION,
		.device = a->config->v->device.id,
		.site = a->config->v->device.site,
		.link_up = a->link_up };
	struct current_snapshot s;
	struct bl_err err = { 0 };
	struct bl_buf body;

	bl_buf_init(&body, LOCAL_BODY_MAX);
	if (snapshot(a, &s, &err) < 0) {
		body.failed = true;
	} else {
		(void)local_metrics(&s, &facts, open, &body, &err);
		current_snapshot_free(&s);
	}
	local_answer(a->local, id, open ? LOCAL_METRICS_OPEN : LOCAL_METRICS_TEXT, &body);
}

static void
on_ask(void *ctx, uint32_t id, enum local_what what)
{
	struct agent *a = ctx;

	if (what != LOCAL_NOW)
		answer_metrics(a, id, what == LOCAL_METRICS_OPENMETRICS);
	else if (spool_thread_status(a->spool, AGENT_TOKEN_LOCAL | id) != BL_OK)
		local_answer(a->local, id, NULL, NULL);
}

/* The spool thread does not answer: what was known last, with that said. */
static void
on_late(void *ctx, uint32_t id, enum local_what what)
{
	struct agent *a = ctx;
	struct spool_thread_status st;

	(void)what; /* metrics are answered at once */
	agent_control_stale(a, &st);
	answer_now(a, id, &st);
}

void
agent_local_status(struct agent *a, uint64_t token, const struct spool_thread_status *st)
{
	if (a->local != NULL)
		answer_now(a, (uint32_t)token, st);
}

/* ---- the server ---- */

void
agent_local_open(struct agent *a)
{
	const struct config_local *conf = &a->config->v->local;
	struct bl_err err = { 0 };
	int rc;

	a->local_retry_mono_ms = INT64_MAX;
	a->local_problem[0] = '\0';
	if (conf->listen == NULL)
		return;
	rc = local_open(&a->local,
	    &(struct local_opts){ .listen = conf->listen,
		.mode = inlet_mode(conf->mode),
		.hosts = &conf->hosts,
		.clock = a->clock,
		.calls = { a, on_ask, on_late } },
	    &err);
	if (rc == BL_OK && (rc = agent_watch(a, local_fd(a->local), &err)) < 0) {
		local_close(a->local);
		a->local = NULL;
	}
	if (rc == BL_OK) {
		a->local_config = config_keep(a->config);
		bl_info("local", "the status page and /metrics are there listen=%s", conf->listen);
		return;
	}
	(void)snprintf(a->local_problem, sizeof(a->local_problem), "%s", err.msg);
	a->local_retry_mono_ms = bl_mono_ms(a->clock) + RETRY_MS;
	bl_error("local", "no status page and no /metrics, will try again in %d s: %s",
	    RETRY_MS / 1000, err.msg);
}

void
agent_local_close(struct agent *a)
{
	local_close(a->local);
	a->local = NULL;
	config_free(a->local_config);
	a->local_config = NULL;
}

void
agent_local_reload(struct agent *a)
{
	if (a->local != NULL && config_local_same(a->local_config, a->config))
		return;
	agent_local_close(a);
	agent_local_open(a);
}

bool
agent_local_serve(struct agent *a, int fd)
{
	if (a->local == NULL || fd != local_fd(a->local))
		return false;
	local_serve(a->local);
	return true;
}

void
agent_local_tick(struct agent *a)
{
	const int64_t now = bl_mono_ms(a->clock);

	if (a->local == NULL && now >= a->local_retry_mono_ms)
		agent_local_open(a);
	if (a->local != NULL && now >= local_deadline(a->local))
		local_serve(a->local);
}

int64_t
agent_local_deadline(const struct agent *a)
{
	return a->local != NULL ? local_deadline(a->local) : a->local_retry_mono_ms;
}
