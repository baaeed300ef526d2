/*
 * Safe mode in the running agent: the record of starts in the state folder,
 * what is left out, and when all of it is tried again.
 *
 * Only under a service manager that listens (NOTIFY_SOCKET): it is what starts
 * an agent again by itself.  Steps of business processes are taken in safe mode,
 * too: somebody waits for their answer, and nobody would for a sample's.
 */
#include "agent_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define STARTS_FILE "starts"

/* In place, without a sync: what counts is whether this process ends, not the machine. */
static void
record_save(struct agent *a)
{
	char path[CONFIG_PATH_MAX], text[SAFE_TEXT_MAX];
	int fd;
	ssize_t n = -1;

	if (!a->safe.counts)
		return;
	config_state_path(a->config, STARTS_FILE, path);
	safe_write(&a->safe.record, text);
	if ((fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) >= 0) {
		n = pwrite(fd, text, sizeof(text), 0);
		(void)close(fd);
	}
	if (n != (ssize_t)sizeof(text))
		bl_warn("agent", "this start is not counted for safe mode: write %s: %s", path,
		    strerror(errno));
}

static void
record_load(struct agent *a)
{
	char path[CONFIG_PATH_MAX], text[SAFE_TEXT_MAX];
	ssize_t n = 0;
	int fd;

	config_state_path(a->config, STARTS_FILE, path);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) >= 0) {
		n = read(fd, text, sizeof(text));
		(void)close(fd);
	}
	safe_read(&a->safe.record, text, n > 0 ? (size_t)n : 0);
}

void
agent_safe_init(struct agent *a)
{
	if (!notify_listens(&a->notify))
		return;
	a->safe.counts = true;
	record_load(a);
	a->safe.active = safe_start(&a->safe.record, &a->boot, bl_boot_ms(a->clock));
	record_save(a);
	a->safe.until_mono_ms =
	    a->started_mono_ms + (a->safe.active ? safe_wait_ms(&a->safe.record) : SAFE_HEALTHY_MS);
	if (a->safe.active)
		bl_warn("agent",
		    "SAFE MODE: the last %u starts ended before three minutes; no probes, and of "
		    "the samplers cpu, memory, uptime and self alone; all of it is tried in %lld "
		    "min, or at once after a reload",
		    SAFE_STARTS, (long long)(safe_wait_ms(&a->safe.record) / 60000));
}

void
agent_safe_announce(struct agent *a)
{
	const struct agent_attr attrs[] = { { "starts", NULL, SAFE_STARTS },
		{ "minutes", NULL, (double)safe_wait_ms(&a->safe.record) / 60000 },
		{ NULL, NULL, 0 } };

	if (a->safe.active)
		agent_event(a, "agent.safe_mode", attrs);
}

/* All of the configuration from here on; the next end before health is safe mode again. */
void
agent_safe_leave(struct agent *a)
{
	if (!a->safe.active)
		return;
	a->safe.active = false;
	safe_try(&a->safe.record, bl_boot_ms(a->clock));
	record_save(a);
	a->safe.until_mono_ms = bl_mono_ms(a->clock) + SAFE_HEALTHY_MS;
	agent_event(a, "agent.safe_mode_left", NULL);
	agent_report_want(a);
	bl_info("agent", "safe mode ends: the whole configuration is tried");
}

void
agent_safe_report(const struct agent *a, struct bl_report_sampling *out)
{
	const int64_t left = a->safe.until_mono_ms - bl_mono_ms(a->clock);

	out->safe_mode = a->safe.active;
	out->whole_in_ms = a->safe.active && left > 0 ? (uint64_t)left : 0;
}

int64_t
agent_safe_deadline(const struct agent *a)
{
	return a->safe.counts ? a->safe.until_mono_ms : INT64_MAX;
}

void
agent_safe_tick(struct agent *a)
{
	const int64_t now = bl_mono_ms(a->clock);

	if (!a->safe.counts || now < a->safe.until_mono_ms)
		return;
	if (a->safe.active) {
		agent_safe_leave(a);
		agent_resample(a);
		agent_inlets_reload(a);
		return;
	}
	if (!agent_manager_gets_on(a)) {
		a->safe.until_mono_ms = now + SAFE_HEALTHY_MS;
		return;
	}
	safe_healthy(&a->safe.record);
	record_save(a);
	a->safe.until_mono_ms = INT64_MAX;
}

void
agent_safe_end(struct agent *a)
{
	if (!a->safe.counts || a->safe.until_mono_ms == INT64_MAX)
		return;
	if (a->safe.active)
		safe_forgive(&a->safe.record);
	else
		safe_stopped(&a->safe.record);
	record_save(a);
}
