/*
 * SIGHUP: a new configuration is read and checked beside the running one, then
 * swapped in.  What cannot change in a running agent (its identity, where its
 * state lies) makes the whole new one be refused, with the reason; nothing is
 * half applied.
 *
 * A sampler whose part of the configuration is the same goes on, with what it
 * remembers of the last tick; so do the probes while their list is.  They hold
 * the configuration that they were opened with.
 */
#include "agent_internal.h"

#include <string.h>

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* NULL, or the key that needs a restart. */
static const char *
needs_restart(const struct config *running, const struct config *c)
{
	const struct config_values *old = running->v, *new = c->v;

	if (!same(old->device.id, new->device.id))
		return "device.id";
	if (old->device.part != new->device.part)
		return "device.part";
	if (!same(old->state_dir, new->state_dir))
		return "state_dir";
	if (!config_spool_same(running, c))
		return "spool";
	return NULL;
}

/* Reads and checks; NULL when the running one stays. */
static struct config *
read_new(struct agent *a)
{
	struct bl_conf_errors errors;
	struct bl_err err = { 0 };
	struct config *c;
	const char *key;

	if (config_load(&c, a->config->path, &errors, &err) < 0) {
		for (size_t i = 0; i < errors.n_kept; i++)
			bl_error("config", "%s", errors.line[i]);
		bl_error("config", "reload refused, the running configuration stays: %s", err.msg);
		bl_conf_errors_free(&errors);
		return NULL;
	}
	bl_conf_errors_free(&errors);
	if ((key = needs_restart(a->config, c)) != NULL) {
		bl_error("config",
		    "reload refused, the running configuration stays: %s can only change with a "
		    "restart",
		    key);
		config_free(c);
		return NULL;
	}
	return c;
}

/* False: its files cannot be used; nothing was changed. */
static bool
apply_link(struct agent *a, const struct config *new)
{
	struct bl_link_cfg link;
	struct bl_err err = { 0 };

	if (a->mqtt == NULL) {
		a->mqtt_retry_mono_ms = bl_mono_ms(a->clock); /* the files may be good now */
		return true;
	}
	config_link(new, &link);
	if (bl_mqtt_reload(a->mqtt, &link, &err) < 0) {
		bl_error("config", "reload refused, the running configuration stays: %s", err.msg);
		return false;
	}
	if (!config_broker_same_way(&a->config->v->broker, &new->v->broker))
		bl_mqtt_drop(a->mqtt, "the way to the broker was changed in the configuration");
	return true;
}

void
agent_resample(struct agent *a)
{
	struct bl_err err = { 0 };

	/* What was refused is asked for again: by everybody, or it would not be counted. */
	if (limits_refused_now(&a->limits) > 0) {
		agent_probes_stop(a);
		agent_inlets_ask_again(a);
		agent_samplers_close(a);
	}
	agent_samplers_open(a);
	if (agent_probes_stay(a))
		return;
	agent_probes_stop(a);
	if (agent_probes_start(a, &err) < 0)
		bl_error("probe", "probes do not run, the rest goes on: %s", err.msg);
}

/* Takes new. */
static void
apply(struct agent *a, struct config *new)
{
	static const enum bl_log_level levels[] = { BL_LOG_ERROR, BL_LOG_WARN, BL_LOG_INFO,
		BL_LOG_DEBUG };
	struct agent_attr attrs[] = { { "hash", new->hash, 0 }, { NULL, NULL, 0 } };
	struct config *old = a->config;

	agent_safe_leave(a);
	a->config = new;
	a->config_loaded_unix_ms = bl_unix_ms(a->clock);
	bl_log_level_set(levels[new->v->log_level]);
	agent_memory_apply(a);
	agent_resample(a);
	agent_inlets_reload(a);
	agent_local_reload(a);
	agent_meter_reload(a);
	/* A tick that is due just now is not put off. */
	if (new->v->interval_ms != old->v->interval_ms) {
		/* Another interval is no gap: what was due by the old one was sampled. */
		a->last_tick_boot_ms = bl_boot_ms(a->clock);
		agent_tick_align(a);
	}
	agent_event(a, "config.loaded", attrs);
	bl_info("config", "reloaded changed=%s hash=%.12s",
	    strcmp(old->hash, new->hash) != 0 ? "yes" : "no", new->hash);
	config_free(old);
}

void
agent_reload(struct agent *a)
{
	struct config *new;

	notify_reloading(&a->notify);
	if ((new = read_new(a)) != NULL) {
		if (apply_link(a, new))
			apply(a, new);
		else
			config_free(new);
	}
	agent_manager_ready(a);
}
