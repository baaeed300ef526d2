/*
 * The loop: epoll over the link, the spool thread's results, probe results,
 * signals and the control socket, with one timeout for everything that is due
 * by time.  Nothing in it waits for a disk or a network.
 */
#include "agent_internal.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "opening.h"
#include "status.h"

#define EVENTS_MAX    16
#define GOODBYE_MS    400  /* for the PUBACK of presence "offline" */
#define HELLO_WAIT_MS 3000 /* for the spool's first word, before the link is opened without it */

static const enum bl_log_level levels[] = { BL_LOG_ERROR, BL_LOG_WARN, BL_LOG_INFO, BL_LOG_DEBUG };

int
agent_watch(struct agent *a, int fd, struct bl_err *err)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0)
		return bl_fail_errno(err, BL_EIO, "watch a descriptor");
	return BL_OK;
}

static int
watch_signals(struct agent *a, struct bl_err *err)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
		return bl_fail(err, BL_EIO, "block signals");
	(void)signal(SIGPIPE, SIG_IGN);
	a->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (a->signal_fd < 0)
		return bl_fail_errno(err, BL_EIO, "wait for signals");
	return agent_watch(a, a->signal_fd, err);
}

/* The state folder is made when its parent exists; anything more is the installer's work. */
static int
make_state_dir(const struct config *c, struct bl_err *err)
{
	const char *dir = c->v->state_dir;
	struct stat st;

	if (mkdir(dir, 0700) == 0)
		return BL_OK;
	if (errno != EEXIST)
		return bl_fail_errno(
		    err, errno == EACCES ? BL_EDENIED : BL_EIO, "make the state folder %s", dir);
	if (stat(dir, &st) != 0)
		return bl_fail_errno(err, BL_EIO, "look at the state folder %s", dir);
	if (!S_ISDIR(st.st_mode))
		return bl_fail(err, BL_EIO, "use the state folder %s: it is no folder", dir);
	return BL_OK;
}

/* A 64th of the spool: enough for the commits that put a full disk in order. */
static int64_t
ballast_bytes(int64_t max_bytes)
{
	const int64_t part = max_bytes / 64;

	return part < 128 * 1024 ? 128 * 1024 : part > 1024 * 1024 ? 1024 * 1024 : part;
}

static int
open_spool(struct agent *a, struct bl_err *err)
{
	struct opening opening;
	struct spool_calls calls;
	char path[CONFIG_PATH_MAX];
	struct spool_thread_opts o = {
		.spool = { .path = path,
		    .device = a->config->v->device.id,
		    .max_bytes = a->config->v->spool.max_bytes,
		    .memory_bytes = (size_t)a->config->v->spool.memory_bytes,
		    .ballast_bytes = ballast_bytes(a->config->v->spool.max_bytes),
		    .group_ms = a->config->v->spool.group_ms,
		    .keep_receipted_ms = a->config->v->spool.keep_receipted_ms,
		    .boot = a->boot,
		    .clock = a->clock,
		    .software = BL_VERSION },
		.queue_bytes =
		    SPOOL_THREAD_QUEUE_BYTES + agent_inlets_queue_bytes() /* ticks find room */
	};
	int opened, rc;

	config_state_path(a->config, STATUS_SPOOL, path);
	agent_link_calls(a, &calls);
	opening_begin(&opening, &a->notify, OPENING_EVERY_MS, NULL, NULL);
	rc = spool_thread_start(&a->spool, &o, &calls, &opened, err);
	opening_end(&opening);
	if (rc < 0)
		return rc;
	delivery_spool(a->delivery, a->spool);
	if (opened == SPOOL_REPLACED)
		(void)snprintf(a->spool_damage, sizeof(a->spool_damage), "%s", err->msg);
	else
		bl_info("spool", "%s file=%s",
		    opened == SPOOL_CREATED ? "a new spool begins" : "goes on", path);
	return agent_watch(a, spool_thread_fd(a->spool), err);
}

static int
open_loop(struct agent *a, struct bl_err *err)
{
	int rc;

	if ((a->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
		return bl_fail_errno(err, BL_EIO, "make an epoll descriptor");
	if ((rc = watch_signals(a, err)) < 0)
		return rc;
	if ((a->results.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0)
		return bl_fail_errno(err, BL_EIO, "make an eventfd");
	return agent_watch(a, a->results.fd, err);
}

static void
announce(struct agent *a)
{
	const struct agent_attr start[] = { { "software", BL_VERSION, 0 }, { NULL, NULL, 0 } };
	const struct agent_attr config[] = { { "hash", a->config->hash, 0 }, { NULL, NULL, 0 } };

	agent_event(a, "agent.start", start);
	if (a->spool_damage[0] != '\0')
		agent_disk_found_damaged(a, a->spool_damage);
	agent_event(a, "config.loaded", config);
	bl_info("agent",
	    "started device=%s site=%s interval_ms=%lld probes=%zu config=%s version=%s",
	    a->config->v->device.id, a->config->v->device.site,
	    (long long)a->config->v->interval_ms, a->config->v->probes.n, a->config->path,
	    BL_VERSION);
	if (BL_BROKEN[0] != '\0')
		bl_warn("agent",
		    "built broken on purpose (BL_BROKEN=%s): it will lose data; for tests only",
		    BL_BROKEN);
}

/* Memory is handed back, and threads share one arena: the footprint is a promise. */
static void
limit_memory(void)
{
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_TRIM_THRESHOLD, 64 * 1024);
	(void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}

static int
start_parts(struct agent *a, struct bl_err *err)
{
	struct bl_err minor = { 0 };
	int rc;

	if ((rc = make_state_dir(a->config, err)) < 0)
		return rc;
	agent_safe_init(a);
	if ((rc = open_loop(a, err)) < 0 || (rc = agent_link_init(a, err)) < 0 ||
	    (rc = open_spool(a, err)) < 0)
		return rc;
	agent_clock_init(a);
	announce(a);
	agent_safe_announce(a);
	if ((rc = agent_meter_init(a, err)) < 0 || (rc = agent_sink_init(a)) < 0)
		return rc;
	agent_samplers_open(a);
	if (agent_probes_start(a, &minor) < 0)
		bl_error("probe", "probes do not run, the rest goes on: %s", minor.msg);
	if (agent_control_open(a, &minor) < 0)
		bl_error(
		    "agent", "`branchline-agent status` will not reach this agent: %s", minor.msg);
	agent_inlets_open(a);
	agent_local_open(a);
	agent_tick_first(a);
	a->next_status_mono_ms = bl_mono_ms(a->clock);
	/* The spool's word on how often this device connected comes first: the will tells it. */
	a->mqtt_retry_mono_ms = bl_mono_ms(a->clock) + HELLO_WAIT_MS;
	(void)spool_thread_hello(a->spool);
	agent_manager_ready(a);
	return BL_OK;
}

int
agent_start(
    struct agent **out, struct config *config, const struct bl_clock *clock, struct bl_err *err)
{
	struct agent *a = calloc(1, sizeof(*a));
	int rc;

	*out = NULL;
	if (a == NULL) {
		config_free(config);
		return bl_fail(err, BL_ENOMEM, "start: out of memory");
	}
	limit_memory();
	memory_stacks();
	a->clock = clock;
	a->config = config;
	a->boot = bl_boot_id(clock);
	agent_manager_open(a);
	a->config_loaded_unix_ms = bl_unix_ms(clock);
	a->started_mono_ms = bl_mono_ms(clock);
	a->epoll_fd = a->signal_fd = a->results.fd = a->control_fd = a->control_spare_fd = -1;
	a->control_again_mono_ms = INT64_MAX;
	(void)pthread_mutex_init(&a->results.lock, NULL);
	bl_log_level_set(levels[config->v->log_level]);
	agent_memory_apply(a);
	a->local_retry_mono_ms = INT64_MAX;
	if ((rc = current_create(&a->current, err)) < 0 || (rc = start_parts(a, err)) < 0) {
		agent_stop(a);
		return rc;
	}
	*out = a;
	return BL_OK;
}

/* ---- the loop ---- */

static void
on_signal(struct agent *a)
{
	struct signalfd_siginfo s;

	while (read(a->signal_fd, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		if (s.ssi_signo == SIGHUP) {
			agent_reload(a);
		} else if (!a->stopping) {
			bl_info("agent", "stopping signal=%u", s.ssi_signo);
			a->stopping = true;
		}
	}
}

static void
on_ready(struct agent *a, int fd, uint32_t events)
{
	if (fd == a->signal_fd)
		on_signal(a);
	else if (a->spool != NULL && fd == spool_thread_fd(a->spool))
		spool_thread_dispatch(a->spool);
	else if (fd == a->results.fd)
		agent_probe_results(a);
	else if (fd == a->control_fd)
		agent_control_accept(a);
	else if (!agent_inlets_serve(a, fd) && !agent_local_serve(a, fd))
		(void)agent_control_serve(a, fd, events); /* else the link: stepped below */
}

static int64_t
earliest(int64_t x, int64_t y)
{
	return x < y ? x : y;
}

static int
wait_ms(const struct agent *a)
{
	int64_t at = a->next_tick_mono_ms, left;

	at = earliest(at, a->next_status_mono_ms);
	at = earliest(at, a->next_results_mono_ms);
	at = earliest(at, agent_link_deadline(a));
	at = earliest(at, agent_report_deadline(a));
	at = earliest(at, agent_control_deadline(a));
	at = earliest(at, agent_inlets_deadline(a));
	at = earliest(at, agent_local_deadline(a));
	at = earliest(at, agent_manager_deadline(a));
	at = earliest(at, agent_safe_deadline(a));
	left = at == INT64_MIN ? 0 : at - bl_mono_ms(a->clock);
	return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

static void
do_what_is_due(struct agent *a)
{
	const int64_t now = bl_mono_ms(a->clock);

	if (now >= a->next_tick_mono_ms) {
		/* The clock is looked at with the ticks: no wake-up of its own. */
		if (now >= a->next_clock_mono_ms)
			agent_clock_look(a);
		if (now >= a->next_save_mono_ms)
			agent_clock_save(a);
		agent_tick(a);
	}
	if (now >= a->next_results_mono_ms)
		agent_probe_results(a);
	if (now >= a->next_status_mono_ms) {
		a->next_status_mono_ms = now + AGENT_STATUS_MS;
		(void)spool_thread_status(a->spool, AGENT_TOKEN_SELF);
	}
	agent_control_tick(a);
	agent_inlets_tick(a);
	agent_local_tick(a);
	agent_link_tick(a);
	agent_report_tick(a);
	agent_manager_tick(a);
	agent_safe_tick(a);
}

static int
turn(struct agent *a, int timeout, struct bl_err *err)
{
	struct epoll_event e[EVENTS_MAX];
	const int n = epoll_wait(a->epoll_fd, e, EVENTS_MAX, timeout);

	if (n < 0 && errno != EINTR)
		return bl_fail_errno(err, BL_EIO, "wait for events");
	for (int i = 0; i < n; i++)
		on_ready(a, e[i].data.fd, e[i].events);
	return BL_OK;
}

static void
say_goodbye(struct agent *a)
{
	const int64_t end = bl_mono_ms(a->clock) + GOODBYE_MS;
	struct bl_err err = { 0 };
	int64_t left;

	agent_event(a, "agent.stop", NULL);
	if (!agent_link_goodbye(a))
		return;
	while (!a->goodbye_done && a->link_up && (left = end - bl_mono_ms(a->clock)) > 0) {
		if (turn(a, (int)left, &err) < 0)
			return;
		agent_link_tick(a);
	}
}

int
agent_run(struct agent *a, struct bl_err *err)
{
	int rc = BL_OK;

	while (!a->stopping && rc == BL_OK) {
		do_what_is_due(a);
		if (!a->stopping)
			rc = turn(a, wait_ms(a), err);
	}
	notify_stopping(&a->notify);
	agent_clock_save(a);
	say_goodbye(a);
	return rc;
}

void
agent_stop(struct agent *a)
{
	if (a == NULL)
		return;
	a->stopping = true;
	if (a->spool != NULL)
		agent_probes_stop(a);
	agent_samplers_close(a);
	agent_control_close(a);
	agent_local_close(a);
	agent_inlets_finish(a);
	/* The spool first: its last callbacks want delivery, which wants no connection. */
	if (a->mqtt != NULL)
		bl_mqtt_stop(a->mqtt);
	if (a->meter.tz != NULL)
		agent_meter_end(a);
	spool_thread_stop(a->spool);
	a->spool = NULL;
	agent_safe_end(a);
	notify_close(&a->notify);
	agent_inlets_close(a);
	agent_link_close(a);
	if (a->results.fd >= 0)
		(void)close(a->results.fd);
	if (a->signal_fd >= 0)
		(void)close(a->signal_fd);
	if (a->epoll_fd >= 0)
		(void)close(a->epoll_fd);
	(void)pthread_mutex_destroy(&a->results.lock);
	agent_results_free(&a->results);
	free(a->sink.sample);
	free(a->inlet_sink.sample);
	agent_meter_free(a);
	current_free(a->current);
	config_free(a->config);
	free(a);
}
