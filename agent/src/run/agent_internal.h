/*
 * The agent's state and what its files do for each other.  Everything here
 * belongs to the loop's thread except `results`, which the prober's thread
 * fills under its lock.
 */
#ifndef AGENT_INTERNAL_H
#define AGENT_INTERNAL_H

#include <pthread.h>

#include "branchline/log.h"
#include "branchline/mqtt.h"
#include "branchline/report.h"
#include "branchline/topic.h"

#include "agent.h"
#include "agent_inlets.h"
#include "agent_limits.h"
#include "agent_memory.h"
#include "budget.h"
#include "clockmap.h"
#include "agent_results.h"
#include "config.h"
#include "current.h"
#include "delivery.h"
#include "inlet.h"
#include "local.h"
#include "notify.h"
#include "probe.h"
#include "safe.h"
#include "sample.h"
#include "spool_thread.h"

#define AGENT_SAMPLES_MAX   16384u /* of one tick; beyond, samples are refused and counted */
#define AGENT_RESULTS_MS    10500  /* over the usual interval: the tick comes first */
#define AGENT_CLIENTS       8u     /* control connections at a time */
#define AGENT_STATUS_MS     60000  /* how often the spool is asked for the agent's own series */
#define AGENT_CLOCK_SAVE_MS 3600000
#define AGENT_KEEPALIVE_S   30

/* Tokens of spool_thread_status beyond the control clients' places. */
#define AGENT_TOKEN_SELF   1000u
#define AGENT_TOKEN_REPORT 1001u
#define AGENT_TOKEN_LOCAL  (UINT64_C(1) << 32) /* and the number of the one who asks */

struct agent_sink {
	struct sample_sink sink; /* what samplers see */
	enum bl_stream stream;   /* of what is being collected */
	struct spool_thread_sample *sample;
	uint32_t n, size;
	struct agent *agent;
};

struct agent_client {
	int fd; /* -1: free */
	bool asked;
	bool now; /* for all that is current, not for the status alone */
	int64_t deadline_mono_ms;
	char *out; /* answer under way; owned */
	size_t out_len, out_sent;
};

/* Safe mode: safe.h. */
struct agent_safe {
	bool counts; /* a service manager is there, so starts are counted */
	bool active;
	int64_t until_mono_ms; /* active: all is tried then; else this start is healthy then */
	struct safe_record record;
};

/* What the link carried and may carry. */
struct agent_meter {
	struct bl_tz *tz;
	struct budget budget;
	struct bl_link_bytes seen;         /* at the last look */
	struct spool_usage_add unbooked;   /* since the last word to the spool */
	struct spool_usage usage;          /* what the spool has, or is about to */
	uint64_t queued_bytes[BL_STREAMS]; /* handed over, and not seen to leave */
	uint32_t centre_floor_ms;          /* how far the centre wants reconnections spread */
	bool restored;                     /* what earlier processes counted is known */
	uint8_t held;                      /* as the spool was told */
	int64_t tell_mono_ms;              /* no word to the centre about it before */
	int64_t book_mono_ms;
};

/* The same for people. */
struct agent_meter_state {
	bool metered;
	uint64_t window_bytes; /* 0: no limit for all together */
	int64_t window_ms, ends_in_ms;
	uint64_t used_bytes, class_bytes[BL_STREAMS]; /* of this window */
	uint8_t held;
	int64_t opens_in_ms;                   /* the first of those held; BUDGET_NEVER */
	int64_t class_opens_in_ms[BL_STREAMS]; /* -1: is not held, or not known */
	const char *zone;
	struct spool_usage usage;
};

struct agent {
	const struct bl_clock *clock;
	struct config *config;
	struct bl_id boot;
	int64_t started_mono_ms, config_loaded_unix_ms;
	int epoll_fd, signal_fd;
	bool stopping;

	/* service manager */
	struct notify notify;
	int64_t next_alive_mono_ms;
	char manager_told[NOTIFY_TEXT_MAX];
	struct bl_log_limit behind_log;
	struct agent_safe safe;

	/* sampling */
	struct sampler *sampler[CONFIG_SAMPLERS_MAX];
	struct config *sampler_config[CONFIG_SAMPLERS_MAX]; /* that it was opened with; kept */
	struct bl_log_limit sampler_log[CONFIG_SAMPLERS_MAX];
	uint64_t sampler_failures;
	char sampler_problem[256]; /* of the last tick; empty: all read */
	struct agent_sink sink;
	struct limits limits; /* what was refused, and is to be named */
	struct memory memory; /* the ceiling, and how near it is */
	struct bl_log_limit memory_log;
	struct bl_log_limit limits_log, left_out_log, dropped_log;
	int64_t next_tick_mono_ms;
	int64_t last_tick_boot_ms;
	uint64_t ticks, missed_ticks;

	/* probes */
	struct prober *prober;
	struct config *probes_config; /* that they were started with; kept */
	struct probe_state *probe_state;
	size_t n_probes;
	struct agent_results results;
	int64_t next_results_mono_ms;
	int64_t results_boot_ms; /* the ring was emptied last, or its prober began */

	/* spool */
	struct spool_thread *spool;
	struct spool_thread_status spool_status; /* as of status_mono_ms */
	bool spool_status_known;
	char spool_damage[256]; /* found at the start; empty: none */
	int64_t next_status_mono_ms;

	/* link */
	struct bl_mqtt *mqtt;   /* NULL while its files cannot be used */
	char mqtt_problem[320]; /* why there is none */
	int64_t mqtt_retry_mono_ms;
	struct delivery *delivery;
	uint64_t connections; /* since the spool was made */
	bool connections_known;
	bool birth_sent;
	bool link_up;
	char topic[BL_TOPIC_CENTRE + 1][BL_TOPIC_MAX]; /* by enum bl_topic_kind */
	char down_why[320];
	int64_t retry_at_mono_ms; /* of the next attempt; -1: none */
	uint64_t bad_messages;
	struct bl_log_limit link_log, bad_log, rival_log;
	uint32_t
	    rival_returns; /* the centre's word: how often in an hour; 0: nobody else is there */
	bool goodbye_done;
	int64_t report_mono_ms;   /* the next device report is due */
	int64_t reported_mono_ms; /* one was said last; 0: none yet */
	struct agent_meter meter;

	/* clock */
	struct clockmap clockmap;
	int64_t next_clock_mono_ms, next_save_mono_ms;
	int64_t clock_floor_unix_ms; /* it is later than that for certain: the build, the last
				      * saved time, the begin of the broker's certificate */
	bool clock_floor_broken;     /* the wall clock stands before it */
	bool clock_floor_lifted;     /* by a certificate */
	bool clock_told;             /* in the log */

	/* what programs of this machine report */
	struct agent_inlet inlet[AGENT_INLETS_MAX]; /* by row */
	struct agent_sink inlet_sink; /* of their own: they take no room of the samplers' */

	/* what local people see */
	struct current *current;
	struct local *local;         /* NULL: switched off, or not opened */
	struct config *local_config; /* that it was opened with; kept */
	char local_problem[256];     /* why it is not open; empty: no reason */
	int64_t local_retry_mono_ms;

	/* control */
	int control_fd, control_spare_fd; /* held for when there is no other */
	int64_t control_again_mono_ms;    /* the socket is watched again; INT64_MAX: it is */
	struct agent_client client[AGENT_CLIENTS];
};

/* ---- agent.c ---- */
int agent_watch(struct agent *a, int fd, struct bl_err *err);

/* ---- agent_sink.c ---- */
int agent_sink_init(struct agent *a);
/* Hands what was collected to the spool, as of one instant. */
void agent_sink_flush(struct agent_sink *s, int64_t boot_ms);
/* Names in the ledger what the limits refused.  ending: samplers and probes begin anew, or never.
 */
void agent_limits_tell(struct agent *a, bool ending);
/* An event with up to three attributes; NULL key ends them. */
struct agent_attr {
	const char *key;
	const char *text; /* or NULL: number */
	double number;
};
void agent_event(struct agent *a, const char *type, const struct agent_attr *attrs);

/* ---- agent_tick.c: samplers, probes ---- */
/* Those that are not open, or whose configuration has changed. */
void agent_samplers_open(struct agent *a);
void agent_samplers_close(struct agent *a);
int agent_probes_start(struct agent *a, struct bl_err *err);
void agent_probes_stop(struct agent *a);
/* They run, and by the same configuration. */
bool agent_probes_stay(const struct agent *a);
void agent_probe_results(struct agent *a);
/* At once, and when the next one is due: on a whole multiple, not right behind it. */
void agent_tick_first(struct agent *a);
/* When the next tick is due, and doing it. */
void agent_tick_align(struct agent *a);
void agent_tick(struct agent *a);
/* The ceiling of the configuration. */
void agent_memory_apply(struct agent *a);

/* ---- agent_link.c, agent_uplink.c: MQTT and delivery ---- */
int agent_link_init(struct agent *a, struct bl_err *err);
/* Makes and starts the connection; a failure is kept in mqtt_problem and tried again later. */
void agent_link_open(struct agent *a);
void agent_link_close(struct agent *a);
void agent_link_tick(struct agent *a);
int64_t agent_link_deadline(const struct agent *a);
/* Says presence "offline"; true: under way, goodbye_done follows. */
bool agent_link_goodbye(struct agent *a);
void agent_link_calls(struct agent *a, struct spool_calls *calls);

/* What a device report says of the link. */
void agent_link_report(const struct agent *a, struct bl_report_link *out);

/* ---- agent_report.c: what the agent says of itself ---- */
/* Now, as soon as the spool has answered. */
void agent_report_want(struct agent *a);
void agent_report_tick(struct agent *a);
int64_t agent_report_deadline(const struct agent *a);
/* The spool has answered. */
void agent_report_say(struct agent *a, const struct spool_thread_status *st);

/* ---- agent_meter.c: what the link carries and may carry ---- */
int agent_meter_init(struct agent *a, struct bl_err *err);
void agent_meter_reload(struct agent *a);
void agent_meter_free(struct agent *a);
/* What the spool had at the start; later ones say nothing new. */
void agent_meter_restored(struct agent *a, const struct spool_usage *u);
/* How far reconnections are spread: as the centre says, and rarely when the budget is spent. */
void agent_meter_floor(struct agent *a, uint32_t centre_floor_ms);
/* A message of a class was handed to the connection. */
void agent_meter_sent(struct agent *a, enum bl_stream stream, size_t bytes);
/* The connection has ended: what had not left never will. */
void agent_meter_down(struct agent *a);
/* Before the tick's commit. */
void agent_meter_tick(struct agent *a);
/* Before the connection and the spool end. */
void agent_meter_end(struct agent *a);
void agent_meter_say(const struct agent *a, struct agent_meter_state *out);
void agent_meter_report(const struct agent *a, struct bl_report *r);

/* ---- agent_clock.c ---- */
/* What a device report says of the clock. */
void agent_clock_report(const struct agent *a, struct bl_report_clock *out);
void agent_clock_init(struct agent *a);
void agent_clock_look(struct agent *a);
void agent_clock_centre(struct agent *a, int64_t server_unix_ms, int64_t rtt_ms);
void agent_clock_save(struct agent *a);
/* The link was there until now. */
void agent_clock_link_down(struct agent *a);
/* The spool is another one: it does not know yet what time it is. */
void agent_clock_tell_again(struct agent *a);
/* Nobody has said that it is right. */
bool agent_clock_untrusted(const struct agent *a);
/* It is known to be wrong. */
bool agent_clock_wrong(const struct agent *a);
/* The broker's chain of certificates begins then, which is later than our clock: a new floor. */
void agent_clock_server_begins(struct agent *a, int64_t not_before_unix_ms);

/* ---- agent_control.c ---- */
int agent_control_open(struct agent *a, struct bl_err *err);
void agent_control_close(struct agent *a);
void agent_control_accept(struct agent *a);
/* True when fd was one of its connections. */
bool agent_control_serve(struct agent *a, int fd, uint32_t events);
void agent_control_tick(struct agent *a);
int64_t agent_control_deadline(const struct agent *a);
void agent_control_status(struct agent *a, uint64_t token, const struct spool_thread_status *st);
/* The spool thread does not answer: what was known last, with that said. */
void agent_control_stale(const struct agent *a, struct spool_thread_status *out);

/* ---- agent_local.c: current values for local people ---- */
/* A failure is kept in local_problem and tried again: sampling does not depend on it. */
void agent_local_open(struct agent *a);
void agent_local_close(struct agent *a);
/* The configuration is another one. */
void agent_local_reload(struct agent *a);
/* True when fd was its own. */
bool agent_local_serve(struct agent *a, int fd);
void agent_local_tick(struct agent *a);
int64_t agent_local_deadline(const struct agent *a);
/* The spool's answer for one who asked the page. */
void agent_local_status(struct agent *a, uint64_t token, const struct spool_thread_status *st);
/* See local_now.h. */
int agent_local_now(
    struct agent *a, const struct spool_thread_status *st, struct bl_buf *out, struct bl_err *err);

/* ---- agent_steps.c: the step socket, in status ---- */
/* Since the agent's start, over reloads. */
void agent_steps_count(const struct agent *a, struct inlet_counters *out);
/* Why it is not open; empty: no reason. */
const char *agent_steps_problem(const struct agent *a);

/* ---- agent_disk.c: what the spool tells of its disk ---- */
void agent_disk_calls(struct spool_calls *calls);
/* The spool was found damaged at the start. */
void agent_disk_found_damaged(struct agent *a, const char *why);
/* Commits fail: what is wrong and what happens next, in words. */
void agent_disk_words(
    const struct agent *a, const struct spool_thread_status *st, char *out, size_t size);

/* ---- agent_status.c ---- */
/* null where it is empty. */
json_t *agent_text_or_null(const char *text);
/* The JSON text, malloced; NULL: out of memory. */
char *agent_status_text(const struct agent *a, const struct spool_thread_status *st);

/* ---- agent_manager.c: what the service manager hears ---- */
void agent_manager_open(struct agent *a);
void agent_manager_ready(struct agent *a);
void agent_manager_tick(struct agent *a);
int64_t agent_manager_deadline(const struct agent *a);
/* No thread stands still. */
bool agent_manager_gets_on(const struct agent *a);

/* ---- agent_safe.c: after a crash loop ---- */
/* Once the state folder is there, before anything that could fail. */
void agent_safe_init(struct agent *a);
void agent_safe_report(const struct agent *a, struct bl_report_sampling *out);
/* To the centre. */
void agent_safe_announce(struct agent *a);
void agent_safe_tick(struct agent *a);
int64_t agent_safe_deadline(const struct agent *a);
/* Somebody changed something: all of it is tried, which the caller sees to. */
void agent_safe_leave(struct agent *a);
/* Ended in order. */
void agent_safe_end(struct agent *a);

/* ---- agent_reload.c ---- */
/* Opens samplers and probes anew by the configuration there is. */
void agent_resample(struct agent *a);
void agent_reload(struct agent *a);

#endif
