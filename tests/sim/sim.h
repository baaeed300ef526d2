/*
 * The simulator of delivery: one process, one thread, one seed.  Real spool,
 * uplink, delivery, ingest_core and store; time, chance, disk (tests/shim),
 * broker and everything that goes wrong are played.
 *
 *   sim_world.c     time, chance, the queue of what happens, the trace
 *   sim_clock.c     a machine's clocks
 *   sim_machine.c   an agent's machine: sampling, spool and delivery
 *   sim_link.c      the way to the broker: line, back-off, handshakes; a crowd of light agents
 *   sim_broker.c    a broker that forgets, doubles, reorders, delays and dies
 *   sim_centre.c    the collector's writer around ingest_core and the store
 *   sim_chaos.c     what goes wrong
 *   sim_scenarios.c named mixes of it, one for each rule
 *   sim_measure.c   what is measured, and its limits
 *   sim_oracle.c    what must hold in the end (sim_oracle_*.c: reading)
 *   sim_sent.c      batches that left
 *   sim_main.c      seeds and printing
 *
 * The oracle needs no record of what was sent: the value of sample n of a series
 * of a machine is value_of(machine, series, n).
 */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "branchline/batch.h"
#include "branchline/buf.h"
#include "branchline/clock.h"
#include "branchline/message.h"
#include "branchline/topic.h"

#include "clockmap.h"
#include "delivery.h"
#include "ingest_core.h"
#include "shim.h"
#include "store.h"

#define SIM_MACHINES_MAX 40u /* clones count */
#define SIM_SERIES       3u  /* of probes and host; events have one number each */
#define SIM_BOOTS_MAX    2048u
#define SIM_ERASED_MAX   256u
#define SIM_NAPS_MAX     256u
#define SIM_PATH_MAX     256

#define SIM_SECOND INT64_C(1000)
#define SIM_MINUTE (60 * SIM_SECOND)
#define SIM_HOUR   (60 * SIM_MINUTE)
#define SIM_DAY    (24 * SIM_HOUR)

#define SIM_OFFLINE_AT (4 * SIM_HOUR) /* offline_ms begins */

struct sim;

/* ---- scenarios ---- */

/* What is measured has to keep to these; 0: not measured. */
struct sim_limits {
	int64_t live_p99_ms; /* live batches that were sent beside a backlog, from cut to arrival */
	size_t past_flight; /* bytes of backlog under way at once, when it is more than one batch */
	unsigned jain_pct;  /* at least: Jain's index of bytes drained while all have some */
	int64_t back_ms;    /* the last of a crowd, after a broker has come back */
	unsigned attempts_p99;
	unsigned takeovers_per_h;
};

/* How often something happens in a run: about so many times, to each machine or to the centre. */
struct sim_scenario {
	const char *name;
	const char *rule; /* what it shows, in a sentence */
	bool open;        /* some seeds fail: README.md says how */
	unsigned agents;  /* at least; 0: as asked */
	double days;      /* 0: as asked, or one */
	struct sim_limits limit;

	/* the machines */
	int64_t tick_ms;           /* 0: by chance, 1 to 8 min */
	int64_t tick_after_ms;     /* from the end of offline_ms on; 0: the same */
	int64_t max_bytes;         /* of a spool; 0: 16 MiB */
	int64_t keep_receipted_ms; /* 0: 72 h */
	bool fat;                  /* events of some kB that do not compress */
	int64_t group_ms;          /* spool.group, by chance from 2 min to this; 0: off */
	int64_t probe_ms;          /* probes may take so long; 0: none that last */

	/* the way, in thousandths of messages */
	unsigned lose, twice, late;
	unsigned
	    late_batches; /* on their way to the centre, while hello and answer overtake them */
	unsigned drops;   /* connections cut, a machine */
	unsigned outages; /* a machine */
	int64_t outage_ms;
	int64_t offline_ms;   /* all of them at once, from SIM_OFFLINE_AT on */
	uint32_t bytes_per_s; /* of a machine's line, up; 0: any */
	int64_t rtt_ms;
	bool packets;        /* brokers take some kB at most, another number with each connection */
	bool backoff;        /* tries again as shared/mqtt does */
	unsigned crowd;      /* of light agents, at the same broker */
	unsigned handshakes; /* a second, of the broker; 0: any */

	/* broker, centre */
	unsigned broker_deaths, centre_stops;
	unsigned herds;        /* deaths of the broker, an even time apart */
	uint32_t credit;       /* bytes a second; 0: 256 KiB */
	unsigned centre_kills; /* power cuts and kill -9, some between commit and receipt */
	unsigned centre_cuts;  /* at operation N of its disk */
	unsigned store_back;   /* an older copy put back */
	unsigned store_lost;
	int64_t centre_out_ms;
	int64_t pack_ms; /* between two rounds of packing closed hours; 0: batches stay */

	/* what happens to a machine */
	unsigned kills;    /* kill -9 and power cuts, with and without a new boot */
	unsigned cuts;     /* at operation N of its disk */
	unsigned restarts; /* orderly */
	unsigned faults;   /* disk full, failing syncs, for a while */
	unsigned back;     /* spool: an older copy put back */
	int64_t back_ms;   /* how old that copy is at most; 0: any age */
	unsigned resumed;  /* a live snapshot goes on where it was */
	unsigned lost;     /* spool deleted */
	unsigned damaged;  /* pages of it overwritten */
	unsigned clones;   /* a second machine with a copy of it, in all */
	unsigned renames;  /* the device's id changes */
	unsigned steps;    /* its wall clock jumps */
	unsigned suspends;
	int64_t suspend_ms; /* 0: 3 h */
	unsigned pauses;    /* by its host: boot time stands still */
	unsigned years;     /* its wall clock jumps 20 years, goes double or not at all */
	bool clock_1970;    /* at each boot, set later */
	bool looks;         /* at the clock every 5 s, as in life, and not with each tick only */
	unsigned drift_ppm; /* at most, either way; no NTP ever */
};

extern const struct sim_scenario sim_scenarios[];
const struct sim_scenario *sim_scenario_find(const char *name);
/* Trouble that the scenario is for and that has not come; NULL: all of it has. */
const char *sim_scenario_lacks(const struct sim_scenario *sc, const unsigned *acts);
/* "mix": knobs by chance. */
struct sim_scenario sim_scenario_mix(struct sim *w);

/* ---- the world ---- */

/* What may be done to a run, counted when it is. */
enum sim_act {
	ACT_DROP,
	ACT_OUTAGE,
	ACT_BROKER_DEATH,
	ACT_CENTRE_STOP,
	ACT_CENTRE_KILL,
	ACT_CENTRE_CUT,
	ACT_STORE_COPY,
	ACT_STORE_BACK,
	ACT_STORE_LOST,
	ACT_KILL,
	ACT_CUT,
	ACT_RESTART,
	ACT_FAULT,
	ACT_COPY,
	ACT_BACK,
	ACT_FREEZE,
	ACT_RESUME,
	ACT_LOST,
	ACT_DAMAGE,
	ACT_CLONE,
	ACT_RENAME,
	ACT_STEP,
	ACT_SUSPEND,
	ACT_OFFLINE,
	ACT_PAUSE,
	ACT_YEARS,
	ACT_LOSE, /* from here on not planned: messages on their way, ... */
	ACT_TWICE,
	ACT_LATE,
	ACT_EVICT, /* batches under a small cap */
	ACT_TAKEOVER,
	ACT_SMALL,  /* connections to a broker that takes less than a batch may have */
	ACT_THIN,   /* samples that stand for several */
	ACT_PACK,   /* parts written */
	ACT_UNSAFE, /* samples that waited in memory when a machine went down */
	ACT_SLOW,   /* results of probes that lasted */
	ACTS,
};

enum sim_kind {
	SIM_TICK,
	SIM_TURN,
	SIM_DEADLINE,
	SIM_CONNECT,
	SIM_START,
	SIM_WIRE,
	SIM_CENTRE_TURN,
	SIM_CENTRE_START,
	SIM_BROKER_START,
	SIM_CHAOS,
	SIM_UP,
	SIM_LOOK,
	SIM_CROWD_CONNECT,
	SIM_CROWD_UP,
};

struct sim_event {
	int64_t at;
	uint64_t no;
	enum sim_kind kind;
	unsigned who;
	uint64_t life; /* of whom it is about: another life, and it is void */
	void *data;    /* owned: SIM_WIRE, SIM_CHAOS */
};

/* One sample number of one stream of one machine: all its series. */
enum sim_state { SIM_MADE = 1, SIM_ACCEPTED = 2, SIM_REFUSED = 3 };
struct sim_sample {
	int64_t at;   /* true time */
	int64_t came; /* of a probe that lasted: with its result */
	uint8_t state;
	uint8_t stored[SIM_SERIES];  /* how often it is in the store */
	uint8_t thinned[SIM_SERIES]; /* how often a sample that stands for several has it */
	uint8_t read[SIM_SERIES];    /* how often readers of the store are given it */
	int64_t batch[2];            /* rows of the store that have it, ascending; 0: none */
	bool more_batches;           /* than these */
	bool aside, held;            /* in what was set aside at the centre; on a disk set apart */
	bool conflict;               /* aside, for another life's batch has its number */
	bool was_stored;             /* in a store that was lost or replaced by an older one */
	bool exposed; /* lay without a receipt in a file that was put back, deleted or damaged */
	bool copied;  /* was open in a file that a second machine went on with */
};

/* What a machine's wall clock does. */
enum sim_wall { WALL_RUNS, WALL_FROZEN, WALL_DOUBLE };

struct sim_source {
	unsigned n, size;
	struct sim_sample *s; /* s[1..n] */
	unsigned unsafe;      /* from here on not known to be on the disk */
};

/* To the broker, of a machine or of one of the crowd. */
struct sim_way {
	unsigned failures, attempts; /* in a row; since it was lost */
	uint32_t floor_ms;
	int64_t up_at, down_at; /* 0: is not, was never */
	int64_t line_free_at;
};

struct sim_crowd {
	struct bl_id spool;
	struct sim_way way;
};

struct sim_machine {
	struct sim *w;
	unsigned no;
	char device[24];
	char dir[SIM_PATH_MAX], path[SIM_PATH_MAX + 16];
	bool gone;                /* for good */
	unsigned backs;           /* copies of its spool put back */
	bool clone;               /* has the identity of another */
	bool set_apart;           /* gone, and its disk is kept */
	int64_t first_damaged_at; /* 0: never */
	bool deleted;             /* its file, and no new one since */
	int64_t damaged_at;       /* its file, and no new one since; 0: it is whole */
	bool running;             /* a process is */
	bool frozen;              /* stands still: a snapshot that waits, or suspended */
	int64_t frozen_at;        /* true time */
	int64_t paused_at_ms; /* its boot clock when its host let it stand still; -1: it runs on */
	unsigned frozen_by, twin; /* which snapshot, 0: suspended; who lives on meanwhile */
	uint64_t life;            /* counts starts and ends */
	bool crashing;            /* nothing leaves any more */

	struct bl_clock clock;
	struct bl_id boot;
	bool booted;
	int64_t boot_at; /* boot time 0 in true time, when the clock did not drift or stand still */
	size_t piece;    /* of boot time, now */
	enum sim_wall wall;
	int64_t wall_off, wall_from, wall_set_at;
	int64_t slept_ms; /* of this boot: monotonic time stood still */
	bool synced;
	struct clockmap map;

	struct spool_thread *spool;
	struct delivery *delivery;
	int32_t handle[BL_STREAMS][SIM_SERIES], slow[SIM_SERIES]; /* slow: of probes that last */
	struct sim_source source[BL_STREAMS];
	int64_t tick_ms, last_tick_boot_ms;
	int64_t group_ms;
	int64_t probe_from_ms, probe_to_ms; /* one that lasts; INT64_MAX: none does */
	int64_t deadline_at, turn_at;

	bool up;
	struct sim_way way;
	size_t max_message; /* on this connection; 0: any */
	uint64_t greeting;  /* the broker's life it shakes hands with; 0: none */
	size_t past_flight;
	int64_t past_at;     /* past was sent last */
	bool was_up;         /* when it was frozen */
	uint64_t connection; /* counts */
	unsigned unacked;
	int64_t out_until;
	bool drop_wanted; /* delivery asked for it */
	uint64_t replaced;
	struct spool_thread_status status;
};

struct sim_inbox {
	struct sim_inbox *next;
	char topic[BL_TOPIC_MAX];
	bool retained;
	size_t len;
	uint8_t payload[];
};

struct sim_centre {
	struct sim *w;
	bool running;
	uint64_t life;
	struct bl_clock clock;
	char dir[SIM_PATH_MAX], path[SIM_PATH_MAX + 16];
	struct store *store;
	struct ingest_core *core;
	bool connected;
	int64_t connect_at; /* looks for the broker again */
	int64_t turn_at, centre_at;
	/* closed hours go into parts */
	struct parts *parts;
	struct compact *compact;
	int64_t pack_at;
	struct sim_inbox *inbox, **inbox_tail;
	unsigned die_before_commit, die_after_commit; /* thousandths of groups */
};

struct sim_broker {
	bool up;
	int64_t up_since, busy_until_us;
	uint64_t life;
	struct bl_buf retained; /* bl/1/centre; empty: none */
};

struct sim_boot {
	struct bl_id id;
	unsigned machine;
};

/* From here on boot time runs so, until another piece of the same boot. */
struct sim_piece {
	struct bl_id boot;
	int64_t boot_ms, at;
	int ppm;
};

/* What a machine accepted from `from` to `to` may be gone by an act from outside. */
struct sim_erased {
	unsigned machine;
	int64_t from, to;
};

/* A batch that was published: which times it held. */
struct sim_sent {
	struct bl_id spool;
	uint8_t stream;
	uint64_t seq;
	uint32_t crc32;
	struct bl_id boot;
	int64_t begin_ms, end_ms;
	int64_t last_ms; /* of what is in it: an event may lie after its batch's interval */
	int64_t sent_at; /* first */
	bool arrived;
};

/* A time in which a machine slept, or its host let it stand still. */
struct sim_nap {
	unsigned machine;
	int64_t from, to;
	bool paused;
};

struct sim_point {
	int64_t a, b;
	unsigned who;
};

struct sim_list {
	size_t n, size;
	struct sim_point *v;
};

struct sim_measure {
	struct sim_list live;    /* lags */
	struct sim_list drained; /* when, bytes, who */
	struct sim_list back;    /* after, attempts */
	int64_t herd_at;
	size_t past_flight_most;
};

struct sim_result {
	uint64_t generated, accepted, stored, doubled, lost, explained, aside, held;
	uint64_t undone, twice; /* see README.md */
	unsigned acts[ACTS];
	int64_t live_p99_ms, back_ms;
	size_t past_flight;
	unsigned jain_pct, attempts_p99, takeovers;
	uint64_t trace;
	double agent_days;
	char why[512]; /* empty: all is well */
};

struct sim {
	uint64_t seed, rng;
	int64_t now, begin, end; /* true Unix ms */
	bool settling, verbose;
	char folder[SIM_PATH_MAX - 32];
	struct sim_scenario sc;
	struct bl_clock clock; /* true time, and chance */

	struct sim_event *heap;
	size_t n_heap, size_heap;
	uint64_t event_no;
	uint64_t trace; /* hash of all that happened */

	struct sim_machine machine[SIM_MACHINES_MAX];
	unsigned n_machines;
	struct sim_centre centre;
	struct sim_broker broker;
	struct sim_crowd *crowd;
	struct sim_measure measure;

	struct sim_boot boot[SIM_BOOTS_MAX];
	unsigned n_boots;
	struct sim_piece *piece;
	size_t n_pieces, size_pieces;
	struct sim_erased erased[SIM_ERASED_MAX];
	unsigned n_erased;
	struct sim_nap nap[SIM_NAPS_MAX];
	unsigned n_naps;
	unsigned acts[ACTS];
	unsigned given_up;     /* 1 + machine: its spool, and nobody had damaged it */
	struct sim_sent *sent; /* open addressing by (spool, stream, seq, crc) */
	size_t n_sent, size_sent;
	uint64_t bundles, packs; /* messages with several batches that left */
	unsigned armed;          /* shim plan: 0 none, 1 + machine, or SIM_ARMED_CENTRE */
	enum shim_loss armed_loss;
	int64_t disk_well_at; /* a fault ends */
	unsigned snapshots;
	char fail[512];
};
#define SIM_ARMED_CENTRE 1000u

/* ---- sim_world.c ---- */

uint64_t sim_random(struct sim *w);
uint64_t sim_below(struct sim *w, uint64_t bound);
/* True in so many of a thousand. */
bool sim_chance(struct sim *w, unsigned thousandths);
int64_t sim_between(struct sim *w, int64_t lo, int64_t hi);
void sim_at(struct sim *w, int64_t at, enum sim_kind kind, unsigned who, uint64_t life, void *data);
bool sim_next(struct sim *w, struct sim_event *out);
/* Goes into the hash; printed when verbose. */
void sim_trace(struct sim *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_trace_bytes(struct sim *w, const void *data, size_t len);
/* The simulation itself cannot go on: what broke is said in the result. */
void sim_fail(struct sim *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_clock_random(void *ctx, void *out, size_t len); /* ctx: the world */
void sim_erase(struct sim *w, unsigned machine, int64_t from, int64_t to);
double sim_value(unsigned machine, unsigned series, unsigned n);
bool sim_value_parse(double v, unsigned *machine, unsigned *series, unsigned *n);
/* Files of a folder (spool and log, store and log ...) copied; to is made. */
void sim_copy_files(const char *from, const char *to, const char *base);
void sim_remove_files(const char *dir, const char *base);

void sim_run(uint64_t seed, const struct sim_scenario *sc, unsigned machines, int64_t length_ms,
    const char *folder, bool verbose, struct sim_result *out);

/* ---- sim_clock.c ---- */

void machine_clock_make(struct sim_machine *m);
void machine_boot(struct sim_machine *m);
int64_t machine_boot_ms(const struct sim_machine *m);
int64_t machine_wall_ms(const struct sim_machine *m);
void machine_wall_mode(struct sim_machine *m, enum sim_wall mode);
/* Its crystal runs so from now on, and with it both clocks. */
void machine_drift(struct sim_machine *m, int ppm);
/* Its host let it stand still since its boot clock showed boot_ms: both clocks did, too. */
void machine_stood_still(struct sim_machine *m, int64_t boot_ms);
void machine_look_at_clock(struct sim_machine *m);
/* Every 5 s. */
void machine_looks(struct sim_machine *m);
void machine_map_begins(struct sim_machine *m);
void machine_map_link_down(struct sim_machine *m);
void machine_map_tell_again(struct sim_machine *m);
void machine_centre_time(struct sim_machine *m, int64_t server_unix_ms, int64_t rtt_ms);
/* When the boot clock shows, or will show, that. */
int64_t machine_true_at(const struct sim_machine *m, int64_t boot_ms);
/* The same for any boot there was; INT64_MIN: there was none like it. */
int64_t machine_true_time(
    const struct sim *w, const struct bl_id *boot, int64_t boot_ms, unsigned *machine);

/* ---- sim_machine.c ---- */

void machine_make(struct sim *w, const char *device, const char *copy_of);
void machine_start(struct sim_machine *m);
/* In order: commits, cuts. */
void machine_stop(struct sim_machine *m);
void machine_kill(struct sim_machine *m, enum shim_loss how);
/* After anything that ran its code: the armed cut may have come. */
void machine_after(struct sim_machine *m);
void machine_tick(struct sim_machine *m);
void machine_turn(struct sim_machine *m);
void machine_deadline(struct sim_machine *m);
void machine_free(struct sim_machine *m);
/* Nothing waits in its spool. */
bool machine_quiet(struct sim_machine *m);
bool machine_refused(const struct sim_machine *m);

/* ---- sim_link.c ---- */

/* When it tries again. */
int64_t link_again_ms(struct sim *w, struct sim_way *way, bool taken_over);
/* An attempt: how long the handshake takes; -1: it fails. */
int64_t link_handshake_ms(struct sim *w, struct sim_way *way);
void link_is_up(struct sim *w, struct sim_way *way);
void link_is_down(struct sim *w, struct sim_way *way);
int64_t link_line_ms(struct sim *w, struct sim_way *way, size_t bytes);
void crowd_make(struct sim *w);
void crowd_connect(struct sim *w, unsigned i);
void crowd_up(struct sim *w, unsigned i, uint64_t broker_life);
void crowd_centre(struct sim *w, unsigned i);
/* The broker is gone. */
void crowd_down(struct sim *w);

/* ---- sim_measure.c ---- */

void measure_published(struct sim_machine *m, bool past, size_t bytes);
void measure_acked(struct sim_machine *m, bool past, size_t bytes);
void measure_arrived(struct sim *w, bool past, const struct bl_batch_header *h, size_t bytes);
void measure_back(struct sim *w, const struct sim_way *way);
/* Into the result; fails the run where a limit is not kept. */
void measure_judge(struct sim *w, struct sim_result *out);

/* ---- sim_sent.c ---- */

/* A batch leaves: so that its seq can be looked up. */
void sim_note_sent(struct sim *w, const struct bl_batch_header *h);
/* Every batch of a message: the one that it is, or those of a bundle. */
typedef void (*sim_batch_fn)(void *ctx, const void *msg, size_t len);
void sim_each_batch(const void *msg, size_t len, sim_batch_fn fn, void *ctx);
/* NULL: it never left. */
struct sim_sent *sim_find_sent(struct sim *w, const struct bl_batch_header *h);

/* ---- sim_broker.c ---- */

void broker_start(struct sim *w);
void broker_die(struct sim *w, int64_t out_ms);
void broker_connect(struct sim_machine *m);
/* The handshake that began in this life of the broker is done. */
void broker_greeted(struct sim_machine *m);
void broker_crowd_publish(struct sim *w, const char *topic, const void *payload, size_t len);
void broker_disconnect(struct sim_machine *m, int64_t again_in_ms);
int broker_publish(
    struct sim_machine *m, enum bl_topic_kind kind, const struct bl_buf *msg, uint64_t token);
bool broker_centre_publish(
    struct sim *w, const char *topic, const void *payload, size_t len, bool retained);
void broker_centre_gone(struct sim *w);
void broker_wire(struct sim *w, void *data);
void broker_free(struct sim *w);

/* ---- sim_centre.c ---- */

void centre_make(struct sim *w);
void centre_start(struct sim *w);
void centre_stop(struct sim *w);
void centre_kill(struct sim *w, enum shim_loss how, int64_t out_ms);
void centre_arrived(struct sim *w, const char *topic, const void *payload, size_t len);
void centre_turn(struct sim *w);
void centre_wake(struct sim *w, int64_t in_ms);

/* ---- sim_chaos.c ---- */

void chaos_plan(struct sim *w);
void chaos_happen(struct sim *w, void *data);
/* The end of all trouble. */
void chaos_heal(struct sim *w);

/* ---- sim_oracle.c ---- */

void oracle_judge(struct sim *w, struct sim_result *out);
/* A copy of this disk will live, too: what is open in it may be cut by both. */
void oracle_copied(struct sim *w, const char *dir);
/* This file has been put back, or is to be deleted or damaged. */
void oracle_exposed(struct sim *w, const char *dir);
/* This store is to be deleted, or replaced by an older one. */
void oracle_store_goes(struct sim *w);

#endif
