/*
 * What the files of the prober share.  Everything here is used by the prober
 * thread alone, but for a look-up job, which it shares with one detached thread.
 */
#ifndef PROBE_INTERNAL_H
#define PROBE_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "probe.h"
#include "probe_http.h"

/* ---- addresses in text (probe_url.c); pure; more in probe_http.h ---- */

/* A host by itself, an IPv6 address without brackets; no TLS.  NULL, or what was expected. */
const char *probe_host_set(struct probe_url *out, const char *host, uint16_t port);
/* "200-399", "200, 204, 300-399"; NULL, or what was expected. */
const char *probe_status_check(const char *set);
bool probe_status_in(const char *set, int status);

/* ---- configuration (probe_conf_kinds.c); pure ---- */

/* By enum probe_kind, NULL-terminated. */
extern const char *const probe_kind_names[];
extern const struct bl_conf_section probe_proxy_section;
extern const struct bl_conf_section probe_tcp_section;
extern const struct bl_conf_section probe_dns_section;
extern const struct bl_conf_section probe_ping_section;
extern const struct bl_conf_section probe_tls_section;
extern const struct bl_conf_section probe_modbus_section;
/* NULL, or what is wrong about the keys given for this kind; *key_out: at which. */
const char *probe_kind_check(const struct probe_conf *c, const char **key_out);

/* ---- answers (probe_http.c); pure; more in probe_http.h ---- */

#define PROBE_NEEDLE_MAX 256u

/* One string to be found in a stream, without keeping it (Knuth, Morris, Pratt; probe_body.c). */
struct probe_needle {
	char text[PROBE_NEEDLE_MAX];
	uint16_t len; /* 0: nothing is sought */
	uint16_t fall[PROBE_NEEDLE_MAX];
};

/* text of at most PROBE_NEEDLE_MAX bytes; the rest is cut off (the configuration refuses it). */
void probe_needle_init(struct probe_needle *n, const char *text);

struct probe_body;

/* probe_http_into a body (kept); NULL: nobody looks at it. */
void probe_http_init(struct probe_http *h, bool head, uint64_t body_max, struct probe_body *body);

/* ---- name look-ups (probe_resolve.c) ---- */

#define PROBE_ADDRS_MAX   4u
#define PROBE_LOOKUPS_MAX 8u /* threads at once, the hung ones included */

struct probe_addr {
	struct sockaddr_storage ss;
	socklen_t len;
};

/* Blocks.  0 and *n >= 1, or an EAI_* code.  On a detached thread. */
typedef int (*probe_lookup_fn)(
    const char *host, uint16_t port, struct probe_addr *out, unsigned max, unsigned *n);

struct probe_resolver;
struct probe_job;

/* lookup NULL: getaddrinfo. */
int probe_resolver_create(struct probe_resolver **out, probe_lookup_fn lookup, struct bl_err *err);
/* Threads that hang keep what they need until they end. */
void probe_resolver_free(struct probe_resolver *r);
int probe_resolver_fd(const struct probe_resolver *r); /* readable when a job may be done */
void probe_resolver_drain(struct probe_resolver *r);
/* NULL: as many as may be run already, or no thread could be made. */
struct probe_job *probe_job_start(struct probe_resolver *r, const char *host, uint16_t port);
/* False: not done.  True: *rc is 0 or an EAI_* code. */
bool probe_job_done(
    struct probe_job *j, int *rc, struct probe_addr out[PROBE_ADDRS_MAX], unsigned *n);
/* Done or not: we do not wait for it any more.  NULL is fine. */
void probe_job_drop(struct probe_job *j);

/* ---- TLS (probe_tls.c) ---- */

struct probe_tls_env; /* randomness and trusted certificates, loaded when first needed */
struct probe_tls;

enum probe_io {
	PROBE_IO_OK,
	PROBE_IO_AGAIN,
	PROBE_IO_END, /* the peer closed */
	PROBE_IO_FAIL,
};

struct probe_tls_peer {
	int64_t not_after_unix_s; /* of the server's certificate */
	bool bad;                 /* would not be accepted; why says what is wrong */
	bool undated;             /* our clock was wrong: dates were not judged */
	char why[160];
};

int probe_tls_env_create(struct probe_tls_env **out, struct bl_err *err);
void probe_tls_env_free(struct probe_tls_env *e);
/*
 * A client over fd (not owned).  verify false: the certificate is not judged.
 * A CA file that cannot be read makes every certificate untrusted, and says so.
 */
int probe_tls_create(struct probe_tls **out, struct probe_tls_env *e, int fd,
    const struct probe_url *url, const char *ca_file, bool verify, struct bl_err *err);
void probe_tls_free(struct probe_tls *t);
/* The handshake: OK when up. */
enum probe_io probe_tls_step(struct probe_tls *t, struct bl_err *err);
void probe_tls_peer(const struct probe_tls *t, bool undated, struct probe_tls_peer *out);
enum probe_io probe_tls_send(
    struct probe_tls *t, const char *data, size_t len, size_t *n, struct bl_err *err);
enum probe_io probe_tls_recv(
    struct probe_tls *t, char *data, size_t size, size_t *n, struct bl_err *err);

/* ---- sessions to resume (probe_session.c) ---- */

#define PROBE_SESSIONS_MAX                                                                         \
	2u /* servers of one probe: where a redirect comes from, and where to                      \
	    */

/* A session is resumed for this long; then a whole handshake shows a new certificate. */
#define PROBE_SESSION_MAX_MS (10 * 60 * 1000)

struct probe_sessions; /* of one probe */

int probe_sessions_create(struct probe_sessions **out, struct bl_err *err);
void probe_sessions_free(struct probe_sessions *all);       /* NULL is fine */
void probe_sessions_forget_all(struct probe_sessions *all); /* NULL is fine */
/* Before the first step: offers the server the session that is kept for it, if one is. */
void probe_tls_offer(struct probe_tls *t, struct probe_sessions *all, const struct bl_clock *clock);
/* A handshake that failed with an offer: the next one is whole. */
void probe_sessions_forget(struct probe_sessions *all, const struct probe_tls *t);
bool probe_tls_offered(const struct probe_tls *t);
/* When the handshake is through: did the server take the offer? */
bool probe_tls_resumed(const struct probe_tls *t);
/* When the handshake is through: keeps what it has agreed on, unless the certificate is bad. */
void probe_tls_keep(struct probe_tls *t, struct probe_sessions *all,
    const struct probe_tls_peer *peer, const struct bl_clock *clock);

/* ---- one probe and its runs (probe_kind.c) ---- */

enum probe_phase {
	PHASE_IDLE,
	PHASE_DNS,
	PHASE_CONNECT,
	PHASE_PROXY, /* it is asked for a tunnel */
	PHASE_TLS,
	PHASE_FIRST_BYTE, /* sending the request included */
	PHASE_TRANSFER,
};

#define PROBE_BUF_BYTES (16u * 1024u)

/* A kept connection is given up after this, so that a new address or certificate is seen. */
#define PROBE_KEEP_MAX_MS (60 * 60 * 1000)

/* What all probes of a prober use. */
struct probe_env {
	const struct bl_clock *clock;
	int epoll_fd;
	struct probe_resolver *resolver;
	struct probe_tls_env *tls; /* NULL: no https probe */
	atomic_bool clock_wrong;
	prober_result_cb result;
	void *ctx;
	char buf[PROBE_BUF_BYTES];
};

struct probe_run;

/*
 * A kind of probe: what is specific to its protocol.  The prober drives every
 * run through probe_run_*, which know no protocol; those do the look-up, TCP and
 * TLS (probe_connect.c) to r->url's host and port, and call these on the prober's
 * thread.  Nothing here may wait.  Every run that has begun ends exactly once, by
 * probe_run_done or probe_run_fail; after either, r is idle and only begin follows.
 */
struct probe_kind_ops {
	const char *name; /* as in the configuration */
	/*
	 * Once: fills r->url (host, port, literal, tls) and allocates what all runs
	 * use.  After a failure release is called, too.
	 */
	int (*init)(struct probe_run *r, struct bl_err *err);
	void (*release)(struct probe_run *r); /* may be NULL */
	/*
	 * What a run is to find out, given how it goes; a bit per enum probe_series.
	 * Those of them that a run has not set when it ends become unknown.
	 */
	uint32_t (*due)(const struct probe_run *r, bool reused);
	/* A run begins (result is empty): probe_connect_begin, or a phase over what is kept. */
	void (*begin)(struct probe_run *r);
	/*
	 * The addresses are known (r->addr, r->n_addrs).  NULL: TCP to one after the other,
	 * TLS when r->url.tls says so, then FIRST_BYTE begins.
	 */
	void (*addressed)(struct probe_run *r);
	/*
	 * TCP is through.  True: more is to be said before TLS and FIRST_BYTE: PROXY has
	 * begun, and probe_connect_through follows.  May be NULL, with tunnel.
	 */
	bool (*connected)(struct probe_run *r);
	/* Something may have changed in PROXY: goes on as far as it can. */
	void (*tunnel)(struct probe_run *r);
	/* A TLS connection is made, its handshake not begun: settings of the kind.  May be NULL. */
	void (*handshake)(struct probe_tls *t);
	/* Something may have changed in FIRST_BYTE or TRANSFER: goes on as far as it can. */
	void (*talk)(struct probe_run *r);
	/* Their deadline passed: ends the run, or begins another phase.  NULL: a timeout. */
	void (*late)(struct probe_run *r);
};

extern const struct probe_kind_ops probe_kind_http;
extern const struct probe_kind_ops probe_kind_tcp;
extern const struct probe_kind_ops probe_kind_dns;
extern const struct probe_kind_ops probe_kind_ping;
extern const struct probe_kind_ops probe_kind_tls;
extern const struct probe_kind_ops probe_kind_modbus;

struct probe_run {
	struct probe_env *env;
	const struct probe_conf *conf;
	const struct probe_kind_ops *ops;
	void *kind;                       /* the kind's own; it frees it in release */
	const struct probe_url *proxy;    /* who is connected to instead; NULL: nobody */
	const struct probe_url *tls_name; /* who the server has to be; NULL: url says it */
	struct probe_url url;
	unsigned index;
	char *request; /* owned; the same bytes every time */
	size_t request_len;
	bool needs_tls; /* set by init: a run may come to speak TLS, also where url does not */

	int64_t due_mono_ms; /* the next run begins */
	enum probe_phase phase;
	int64_t deadline_mono_ms;  /* of the phase; never later than due_mono_ms */
	uint64_t run_ns, phase_ns; /* CLOCK_MONOTONIC when they began */
	bool again;                /* more to read at once */

	struct probe_job *job;
	struct probe_addr addr[PROBE_ADDRS_MAX];
	unsigned n_addrs, addr_at;
	int64_t connect_end_mono_ms; /* of the phase; deadline_mono_ms is that of one address */

	int fd; /* -1: none */
	int64_t connected_mono_ms;
	uint32_t generation; /* of fd, to tell late events */
	struct probe_tls *tls;
	struct probe_tls_peer peer;
	struct probe_sessions *sessions; /* the kind's; NULL: every handshake is a whole one */
	size_t sent;
	struct probe_http http;

	uint32_t due_values; /* bit per enum probe_series */
	/* What the servers on the way to this one took (redirects): times add up, days are the
	 * least. */
	struct probe_value before[PROBE_SERIES];
	struct probe_value
	    *point; /* the kind's; empty when a run begins, what is then is unknown */
	unsigned n_points;
	struct probe_result result;
};

int probe_run_init(struct probe_run *r, struct probe_env *env, const struct probe_conf *conf,
    unsigned index, struct bl_err *err);
void probe_run_release(struct probe_run *r);
/* Begins a run (phase is IDLE). */
void probe_run_begin(struct probe_run *r);
/* Something may have changed: goes on as far as it can without waiting. */
void probe_run_step(struct probe_run *r);
/* The deadline passed. */
void probe_run_timeout(struct probe_run *r);
/* The kept connection has an event while nothing runs: closed by the server, or unasked bytes. */
void probe_run_idle_event(struct probe_run *r);

/* ---- its steps towards the server (probe_connect.c), called by probe_kind.c and the kinds ---- */

/* A new connection: the look-up, or for an address the connect, begins. */
void probe_connect_begin(struct probe_run *r);
/* The look-up may be done, the connect through, the handshake further. */
void probe_connect_dns(struct probe_run *r);
void probe_connect_tcp(struct probe_run *r);
void probe_connect_tls(struct probe_run *r);
/* The way is open to the server itself: TLS, or what is said begins. */
void probe_connect_through(struct probe_run *r);
/* TCP to the addresses that are known, one after the other. */
void probe_connect_tcp_begin(struct probe_run *r);
/*
 * For kinds that use datagrams: a socket of this type and protocol, connected to the
 * address and watched, instead of the one there was.  0, or errno.
 */
int probe_connect_datagram(struct probe_run *r, const struct probe_addr *a, int type, int protocol);
/* Ends the run: the address could not be reached for this errno. */
void probe_connect_fail(struct probe_run *r, const struct probe_addr *a, int error);
/* Tries the address at addr_at, and those after it when it fails at once. */
void probe_connect_next(struct probe_run *r);
/* Days from now, in tenths. */
double probe_connect_days(const struct probe_run *r, int64_t unix_s);
/* Sets the days that the certificate is still valid. */
void probe_connect_certificate(struct probe_run *r);

/* ---- what the kinds and probe_connect.c use (probe_kind.c) ---- */

static inline uint32_t
probe_bit(enum probe_series s)
{
	return 1u << s;
}

/* It says nothing about the service: we did not get so far as to ask. */
static inline bool
probe_reason_is_ours(enum probe_reason r)
{
	return r == PROBE_FAIL_INTERNAL || r == PROBE_FAIL_NOT_ALLOWED;
}

uint64_t probe_run_now_ns(void); /* CLOCK_MONOTONIC */
/* To 10 microseconds. */
double probe_run_ms_since(uint64_t from_ns);
void probe_run_have(struct probe_run *r, enum probe_series s, double v);
/* Whom we connect to. */
static inline const struct probe_url *
probe_run_dialled(const struct probe_run *r)
{
	return r->proxy != NULL ? r->proxy : &r->url;
}

/* Up, and what is due of look-up, connect and TLS. */
uint32_t probe_run_due_way(const struct probe_run *r, bool reused);
/* Begins a phase and its deadline. */
void probe_run_phase(struct probe_run *r, enum probe_phase phase);
void probe_run_close(struct probe_run *r);
/* Ends the run and delivers; the connection is kept.  The reason's detail stands in r->result. */
void probe_run_done(struct probe_run *r, enum probe_reason reason);
/* Ends the run: gives up the connection and delivers. */
void probe_run_fail(struct probe_run *r, enum probe_reason reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- the thread (prober.c) ---- */

/* prober_start with another look-up function (tests). */
int prober_start_with(struct prober **out, const struct bl_conf_list *probes,
    const struct bl_clock *clock, probe_lookup_fn lookup, prober_result_cb result, void *ctx,
    struct bl_err *err);

#endif
