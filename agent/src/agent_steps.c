/*
 * Between the step inlet and the spool: an event goes to the spool thread with
 * the inlet's token, its answer comes back through dispatch.  An inlet that
 * cannot be opened (a folder that is missing, another program's socket) is
 * tried again every minute and said in the status; nothing else depends on it.
 */
#include "agent_internal.h"

#include <string.h>

#include "branchline/log.h"

static int
sink_event(void *ctx, const struct bl_event *ev, uint64_t token)
{
	struct agent *a = ctx;

	return spool_thread_event(a->spool, ev, token);
}

static void
sink_problem(void *ctx, char *out, size_t size)
{
	const struct agent *a = ctx;
	const int64_t still = bl_mono_ms(a->clock) - spool_thread_turned_mono_ms(a->spool);

	/* The thread turns every 5 s at the latest. */
	if (still > 7000)
		(void)snprintf(
		    out, size, "the disk has not answered for %lld s", (long long)(still / 1000));
	else
		spool_thread_problem(a->spool, out, size);
}

void
agent_steps_open(struct agent *a)
{
	const struct config_steps *conf = &a->config->v->inlets.steps;
	const struct inlet_opts opts = { .path = conf->socket,
		.mode = config_steps_mode(conf),
		.group = conf->group,
		.clock = a->clock,
		.sink = { a, sink_event, sink_problem } };
	struct bl_err err = { 0 };
	int rc;

	a->steps_retry_mono_ms = INT64_MAX;
	a->steps_problem[0] = '\0';
	if (!conf->enabled)
		return;
	rc = inlet_open(&a->steps, &opts, &err);
	if (rc == BL_OK && (rc = agent_watch(a, inlet_fd(a->steps), &err)) < 0) {
		inlet_close(a->steps);
		a->steps = NULL;
	}
	if (rc == BL_OK) {
		bl_info("steps", "steps are taken socket=%s", conf->socket);
		return;
	}
	(void)snprintf(a->steps_problem, sizeof(a->steps_problem), "%s", err.msg);
	a->steps_retry_mono_ms = bl_mono_ms(a->clock) + AGENT_STEPS_MS;
	bl_error("steps", "no steps are taken, will try again in %d s: %s", AGENT_STEPS_MS / 1000,
	    err.msg);
}

void
agent_steps_finish(struct agent *a)
{
	if (a->steps != NULL)
		inlet_finish(a->steps);
}

void
agent_steps_close(struct agent *a)
{
	struct inlet_counters all;

	if (a->steps == NULL)
		return;
	inlet_finish(a->steps);
	inlet_serve(a->steps); /* the last answers */
	agent_steps_count(a, &all);
	a->steps_before = all;
	inlet_close(a->steps);
	a->steps = NULL;
}

static bool
same(const char *x, const char *y)
{
	return x == NULL || y == NULL ? x == y : strcmp(x, y) == 0;
}

void
agent_steps_reload(struct agent *a, const struct config_steps *old)
{
	const struct config_steps *new = &a->config->v->inlets.steps;

	if (a->steps != NULL && new->enabled && same(old->socket, new->socket) &&
	    same(old->mode, new->mode) && same(old->group, new->group))
		return;
	agent_steps_close(a);
	agent_steps_open(a);
}

bool
agent_steps_serve(struct agent *a, int fd)
{
	if (a->steps == NULL || fd != inlet_fd(a->steps))
		return false;
	inlet_serve(a->steps);
	return true;
}

void
agent_steps_tick(struct agent *a)
{
	const int64_t now = bl_mono_ms(a->clock);

	if (a->steps == NULL && now >= a->steps_retry_mono_ms)
		agent_steps_open(a);
	if (a->steps != NULL && now >= inlet_deadline(a->steps))
		inlet_serve(a->steps);
}

int64_t
agent_steps_deadline(const struct agent *a)
{
	return a->steps != NULL ? inlet_deadline(a->steps) : a->steps_retry_mono_ms;
}

void
agent_steps_done(struct agent *a, uint64_t token, int rc)
{
	if (a->steps != NULL)
		inlet_done(a->steps, token, rc);
}

void
agent_steps_count(const struct agent *a, struct inlet_counters *out)
{
	const struct inlet_counters *b = &a->steps_before;

	memset(out, 0, sizeof(*out));
	if (a->steps != NULL)
		inlet_count(a->steps, out);
	out->accepted += b->accepted;
	out->repeated += b->repeated;
	out->bad_lines += b->bad_lines;
	out->not_stored += b->not_stored;
	out->late += b->late;
	out->refused_clients += b->refused_clients;
	out->idle_clients += b->idle_clients;
}
