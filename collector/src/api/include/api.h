/*
 * The HTTPS API under /api/v1, the health and metrics pages, and the web app's
 * files; and the same API over a Unix socket for the local administrator.
 *
 * Handlers run on the server's own threads.  They read through read-only
 * connections (control_read_begin, and readers made by hooks.store_open) and change
 * through the control writer.  No lock is held while anything is sent.
 */
#ifndef API_H
#define API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/err.h"
#include "control.h"

struct api;
struct latest;     /* latest.h */
struct store_read; /* store_read.h */
struct api_metrics;

/* What the collector knows of itself; filled by its callback for /status, /readyz, /metrics. */
struct api_status {
	bool live_up, past_up;  /* the two broker connections */
	char broker_why[256];   /* why one is down; empty: not known or up */
	int64_t broker_dropped; /* messages, since it began, as it says; -1: not told */
	bool store_ok;          /* the last telemetry commit went well, and none is overdue */
	char store_why[256];
	int64_t disk_free_bytes; /* -1: not known */
	bool disk_full;          /* nothing is taken in until there is room */
	int64_t wal_bytes;
	uint64_t commit_failures;
	/* The damaged store that was set aside last; empty: none. */
	char damaged_file[256];
	bool salvaging;
	int salvaged_percent;
	uint64_t salvaged_batches, salvaged_samples, salvaged_known, salvaged_conflicts;
	uint64_t salvaged_unreadable;
	unsigned damaged_files; /* kept */
	int64_t damaged_bytes;
	int64_t last_commit_unix_ms; /* 0: none yet */
	uint64_t batches;            /* since the start */
	uint64_t samples;
	bool eval_ok; /* the evaluator's last step went well */
	char eval_why[192];
	/* stored, not taken in; spans to be worked out; batches without clock or dictionary */
	int64_t eval_behind_batches, eval_dirty_spans, eval_waiting_batches;
	int64_t messages_waiting, oldest_message_unix_ms; /* 0: none */
	char delivery_problem[192]; /* of the last try that failed; empty: none */
};

/* One level of the parts; samples -1, keep_ms 0: not known. */
struct api_storage_level {
	uint64_t parts, files;
	int64_t bytes, samples;
	int64_t from_unix_ms, to_unix_ms; /* when there are parts */
	int64_t keep_ms;
};

enum api_compaction {
	API_COMPACTION_OFF,
	API_COMPACTION_IDLE,
	API_COMPACTION_WORKING,
	API_COMPACTION_FAILING,
};

#define API_DAMAGED_MAX 16

/* What is stored and how compaction goes; counters are since the start. */
struct api_storage {
	struct api_storage_level raw, five_minutes, hours;
	int64_t events_keep_ms;
	enum api_compaction compaction;
	char compaction_why[192];     /* failing: the last failure */
	int64_t packed_until_unix_ms; /* 0: not known */
	int64_t packed_last_unix_ms;  /* of the last step that changed something; 0: none */
	uint64_t packed_samples, parts_written, parts_rewritten, late_hours, files_deleted;
	uint64_t bytes_written, bytes_given_back, due_hours;
	int64_t age_held_ms; /* nothing goes by its age for so long; 0: it does */
	int64_t waiting_batches, disk_free_bytes; /* -1: not known */
	uint64_t latest_series, latest_refused, latest_bytes;
	/* Of parts that cannot be read; the first of them. */
	uint64_t damaged;
	int64_t checked_unix_ms; /* when all of them were looked at last; 0: not since the start */
	unsigned n_damaged;
	struct api_damaged {
		int64_t part, hour_unix_ms;
		char file[32], why[160];
	} damaged_at[API_DAMAGED_MAX];
};

#define API_REQUEUE_IDS 1000

/* What was set aside and is to be tried again. */
struct api_requeue {
	int reason;         /* enum store_aside_reason; 0: any */
	const char *device; /* NULL: any */
	size_t n_ids;       /* 0: not by id */
	int64_t id[API_REQUEUE_IDS];
};

struct api_requeue_status {
	bool running;
	int64_t begun_unix_ms, ended_unix_ms; /* 0: none */
	uint64_t tried, taken, kept, expired, later;
};

/*
 * What the collector supplies.  Every callback may run on any of the API's
 * threads, must be quick and must not call back into the API.
 */
struct api_hooks {
	void *ctx;
	/* A reader of the telemetry store for one thread at a time; required. */
	int (*store_open)(void *ctx, struct store_read **out, struct bl_err *err);
	void (*store_close)(void *ctx, struct store_read *r);
	/* Fills *out (zeroed before); NULL: all unknown, and /readyz says so. */
	void (*status)(void *ctx, struct api_status *out);
	/* Adds the collector's own counters with api_metric; may be NULL. */
	void (*metrics)(void *ctx, struct api_metrics *m);
	/* Sites or devices changed (after the commit); may be NULL. */
	void (*devices_changed)(void *ctx);
	/* A process, KPI, rule or channel changed (after the commit); may be NULL. */
	void (*definitions_changed)(void *ctx);
	/* A message was put into the outbox (after the commit); may be NULL. */
	void (*messages_put)(void *ctx);
	/* Tries again what was set aside; returns at once.  BL_EBUSY: one is under way.  Both or
	 * neither may be NULL: nothing can be tried then. */
	int (*requeue)(void *ctx, const struct api_requeue *what, struct bl_err *err);
	void (*requeue_status)(void *ctx, struct api_requeue_status *out);
	/* Fills what it knows of *out (nothing is known before); NULL: nothing is. */
	void (*storage)(void *ctx, struct api_storage *out);
};

struct api_opts {
	const char *listen_address; /* numeric, "127.0.0.1", "::1", "0.0.0.0"; NULL: no TCP */
	uint16_t port;              /* 0: any free one, see api_port */
	const char *cert_file;      /* PEM: certificate, then its chain */
	const char *key_file;       /* PEM; must not be readable by others */
	const char *web_root;       /* the web app's built files, read once; NULL: none */
	const char *admin_socket;   /* path, made with mode 0600; NULL: none */
	/*
	 * Origins beside the one in the Host header from which a browser may change
	 * things ("https://board.example:8443"), for a reverse proxy; NULL: none.
	 */
	const char *const *origins; /* NULL-terminated */
	const char *default_zone;   /* of new sites; NULL: the system's, else "UTC" */
	const char *zoneinfo_dir;   /* NULL: /usr/share/zoneinfo */
	const char *board_url;      /* of the pages, as messages name it; keeps; NULL: none */
	unsigned threads;           /* 0: 8 */
	unsigned connections_max;   /* 0: 512 */
	unsigned per_address_max;   /* 0: 64 */
	unsigned idle_timeout_s;    /* 0: 30; also ends a request that trickles in */
	unsigned exports_per_user;  /* on their way at once; 0: 2 */
	/* 0: the real cost (19 MiB, 2 passes).  Tests may lower it. */
	uint32_t password_memory_kib;
	struct control *control; /* keeps */
	/* The newest values (latest.h); keeps.  NULL: they are looked up anew for each question. */
	struct latest *latest;
	const struct bl_clock *clock; /* keeps */
	struct api_hooks hooks;
};

/*
 * Listens and answers from now on.  BL_EBUSY: the port is in use; BL_EDENIED: a
 * file or the port may not be used; BL_EINVAL: certificate, key, address.
 */
int api_start(struct api **out, const struct api_opts *opts, struct bl_err *err);
/* Takes no new requests, waits for the running ones, closes.  NULL is fine. */
void api_stop(struct api *a);

/* The TCP port in use; 0 when there is none. */
uint16_t api_port(const struct api *a);

enum api_metric_type { API_COUNTER, API_GAUGE };

/*
 * One sample for /metrics; same names must follow each other.  labels is what
 * stands between the braces (`reason="stale"`), or NULL.  Inside hooks.metrics only.
 */
void api_metric(struct api_metrics *m, const char *name, enum api_metric_type type,
    const char *help, const char *labels, double value);

#endif
