/*
 * The agent's configuration: tables, loading, and the paths in it made
 * absolute.  Plain data afterwards; a reload makes a second object beside the
 * first.  Any thread may read a struct config that nobody frees.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "branchline/conf.h"
#include "branchline/err.h"
#include "branchline/link.h"

#include "inlet_http.h"
#include "drop.h"
#include "inlet_steps.h"
#include "loglines.h"
#include "statsd.h"
#include "scrape.h"

#define CONFIG_FILE_DEFAULT  "/etc/branchline-agent/agent.yaml"
#define CONFIG_STATE_DEFAULT "/var/lib/branchline-agent"
#define CONFIG_STEPS_SOCKET  "steps.sock" /* in the state folder, unless the file says otherwise */
#define CONFIG_SAMPLERS_MAX  32u
#define CONFIG_EXIT_REFUSED  78 /* EX_CONFIG of sysexits.h */

struct config_device {
	char *id;
	char *site;
	int64_t part;
};

enum config_transport { CONFIG_TCP, CONFIG_WEBSOCKET }; /* of config_transports */

struct config_proxy {
	char *url;           /* http://HOST:PORT; NULL: none */
	char *user;          /* or NULL */
	char *password_file; /* or NULL */
};

struct config_broker {
	char *host;
	int64_t port;
	char *verify_name; /* NULL: host */
	char *ca, *certificate, *key;
	char *crl; /* or NULL */
	int transport;
	char *path; /* of the WebSocket */
	struct config_proxy proxy;
};

struct config_spool {
	int64_t max_bytes;
	int64_t memory_bytes;
	int64_t keep_receipted_ms;
	int64_t group_ms;
};

/* By row of the table in agent_inlets.c. */
struct config_inlets {
	struct steps_conf steps;
	struct inlet_http_conf http;
	struct statsd_conf statsd;
	struct scrape_conf scrape;
	struct drop_conf drop;
	struct loglines_conf loglines;
};

struct config_metered_class {
	int64_t bytes_per_hour; /* 0: no limit of its own */
	char *hours;            /* or NULL */
};

struct config_metered_classes {
	struct config_metered_class events, probes, host;
};

/* What the link costs; without limits it is only counted. */
struct config_metered {
	int64_t bytes_per_hour;
	int64_t window_ms;
	char *zone; /* NULL: this machine's */
	struct config_metered_classes classes;
};

extern const struct bl_conf_section config_metered_section;

struct config_local {
	char *listen; /* NULL: no page */
	char *mode;
	struct bl_conf_strlist hosts;
};

extern const struct bl_conf_section config_local_section;

/* The values as the tables fill them; the samplers' own structs lie behind. */
struct config_values {
	struct config_device device;
	struct config_broker broker;
	char *state_dir;
	struct config_spool spool;
	int64_t interval_ms;
	int64_t max_series;
	int64_t max_memory;         /* 0: no ceiling */
	int log_level;              /* index: error, warn, info, debug */
	struct bl_conf_list probes; /* of struct probe_conf */
	struct config_inlets inlets;
	struct config_metered metered;
	struct config_local local;
};

struct config {
	const struct config_values *v; /* owned */
	char *path;                    /* of the file, absolute */
	char *proxy_host;              /* from broker.proxy.url; NULL: none */
	uint16_t proxy_port;
	char hash[65]; /* SHA-256 of the effective configuration, hex */
	struct config_schema *schema;
	unsigned kept; /* holders but one */
};

/*
 * Reads and checks a file.  errors is always filled (bl_conf_errors_free); the
 * codes are those of bl_conf_load.
 */
int config_load(
    struct config **out, const char *path, struct bl_conf_errors *errors, struct bl_err *err);
/* The same; sources is told where each value stands (bl_conf_load_from). */
int config_load_from(struct config **out, const char *path, struct bl_conf_sources *sources,
    struct bl_conf_errors *errors, struct bl_err *err);
/* The same from text; name stands for the file, its folder is the base of relative paths. */
int config_parse(struct config **out, const char *name, const char *text, size_t len,
    struct bl_conf_errors *errors, struct bl_err *err);
/* The same, with what it includes: a file that is about to be written. */
int config_parse_file(struct config **out, const char *path, const char *text, size_t len,
    struct bl_conf_errors *errors, struct bl_err *err);
/*
 * Where reports are taken by this file, owned by the caller (free), for who has something to
 * report whatever is wrong with the rest of it: its own values when they can be read, else
 * their defaults.  errors: what is wrong (bl_conf_errors_free).  BL_ENOTFOUND, BL_EDENIED ...
 * as bl_conf_load: nothing could be read; *socket is NULL then.
 */
int config_steps_socket(const char *path, char **socket, bool *enabled,
    struct bl_conf_errors *errors, struct bl_err *err);
/* NULL is fine.  The last of its holders releases it. */
void config_free(struct config *c);
/* One more holder; config_free for each.  One thread. */
struct config *config_keep(struct config *c);

/* The struct that belongs to samplers[i]. */
const void *config_sampler(const struct config *c, size_t i);
/* Whether samplers[i], or all probes, would run the same by both. */
bool config_sampler_same(const struct config *a, const struct config *b, size_t i);
bool config_probes_same(const struct config *a, const struct config *b);
/* The section `local`, or `spool`, is the same. */
bool config_local_same(const struct config *a, const struct config *b);
bool config_spool_same(const struct config *a, const struct config *b);
/* Two values of one section would print the same. */
bool config_section_same(const struct bl_conf_section *s, const void *x, const void *y);
extern const struct bl_conf_section config_spool_section;
/* The section `broker`, and its parts for who reads them elsewhere. */
extern const struct bl_conf_section config_broker_section, config_proxy_section;
extern const char *const config_transports[]; /* "tcp", "websocket", NULL */
/* Takes the proxy's address apart; for config.c, once. */
int config_broker_place(struct config *c, struct bl_err *err);
/* Whether both lead to the same broker by the same way; certificates and passwords aside. */
bool config_broker_same_way(const struct config_broker *a, const struct config_broker *b);
/* What the link needs; borrows c's strings. */
void config_link(const struct config *c, struct bl_link_cfg *out);

/* STATE/name; out is empty when that is too long. */
#define CONFIG_PATH_MAX 4096u
void config_state_path(const struct config *c, const char *name, char out[CONFIG_PATH_MAX]);

int config_print(const struct config *c, FILE *to);
/* Like bl_conf_print_for_people. */
int config_print_for_people(
    const struct config *c, const struct bl_conf_sources *sources, bool with_secrets, FILE *to);
int config_print_options(FILE *to);

#endif
