/*
 * Probes of services, of several kinds: what one is, the thread that runs them,
 * and how a result becomes samples and events.
 *
 * The prober owns one thread.  All probes run at once on it, non-blocking,
 * with one deadline per phase; name look-ups run in detached threads of which
 * there is a bounded number, so a hung resolver delays nobody.  Results reach
 * the owner through a callback on the prober thread; probe_result_put is pure
 * and runs on whichever thread the owner likes.
 *
 * Uses a proxy only where the configuration says so, keeps no cookies, caches nothing.
 */
#ifndef PROBE_H
#define PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/conf.h"
#include "branchline/err.h"

struct sample_sink;

#define PROBES_MAX     64u
#define PROBE_NAME_MAX 64u

enum probe_kind { PROBE_HTTP = 0, PROBE_TCP, PROBE_DNS, PROBE_PING, PROBE_TLS, PROBE_MODBUS };

struct probe_tcp_conf {
	char *greeting; /* NULL: none is waited for; what the server says first */
	char *send;     /* NULL: nothing is sent */
	char *expect;   /* NULL: none is waited for; what it says after that */
};

enum probe_dns_type {
	PROBE_DNS_A,
	PROBE_DNS_AAAA,
	PROBE_DNS_CNAME,
	PROBE_DNS_MX,
	PROBE_DNS_TXT,
};

struct probe_dns_conf {
	char *name;                    /* what is asked for */
	int type;                      /* enum probe_dns_type */
	struct bl_conf_strlist expect; /* all of them must be among the answers */
	bool recursion;                /* the server is to ask others */
};

#define PROBE_PING_COUNT_MAX 20
#define PROBE_PING_SIZE_MIN  16
#define PROBE_PING_SIZE_MAX  1400

struct probe_ping_conf {
	int64_t count;      /* of requests a run */
	int64_t gap_ms;     /* between them */
	int64_t size_bytes; /* behind the ICMP header */
};

#define PROBE_TLS_NAMES_MAX 16u

struct probe_tls_conf {
	char *server_name;            /* NULL: host; which of its names the server is asked for */
	struct bl_conf_strlist names; /* the certificate must be for all of these, too */
	int64_t min_days;             /* fewer left are a failure */
	int min_version;              /* 0: TLS 1.0, 1: 1.1, 2: 1.2 */
};

/* Values of a probe that the configuration names. */
#define PROBE_POINTS_MAX 64u

enum probe_modbus_table {
	PROBE_MODBUS_COIL,
	PROBE_MODBUS_DISCRETE,
	PROBE_MODBUS_HOLDING,
	PROBE_MODBUS_INPUT,
};

/* The types of two registers come last. */
enum probe_modbus_type {
	PROBE_MODBUS_UINT16,
	PROBE_MODBUS_INT16,
	PROBE_MODBUS_INT32,
	PROBE_MODBUS_UINT32,
	PROBE_MODBUS_FLOAT32,
};

/* How the bytes A (most significant) to D come. */
enum probe_modbus_order {
	PROBE_MODBUS_ABCD,
	PROBE_MODBUS_CDAB,
	PROBE_MODBUS_BADC,
	PROBE_MODBUS_DCBA,
};

struct probe_register_conf {
	char *name;           /* of the series */
	int table;            /* enum probe_modbus_table */
	int64_t address;      /* as it stands in the request: the first one is 0 */
	int type;             /* enum probe_modbus_type; of coils and discrete inputs: none */
	int order;            /* enum probe_modbus_order */
	double scale, offset; /* value = raw * scale + offset */
	char *unit;
};

struct probe_modbus_conf {
	int64_t unit;                  /* of the device behind the address */
	int64_t at_once;               /* most registers in one request */
	struct bl_conf_list registers; /* of struct probe_register_conf */
};

enum probe_method {
	PROBE_GET = 0,
	PROBE_HEAD,
	PROBE_POST,
	PROBE_PUT,
	PROBE_PATCH,
	PROBE_DELETE,
	PROBE_OPTIONS,
};

enum probe_auth { PROBE_AUTH_NONE = 0, PROBE_AUTH_BASIC, PROBE_AUTH_BEARER };

/* An HTTP proxy on the way (kind http). */
struct probe_proxy_conf {
	char *url;         /* http://HOST:PORT; NULL: none */
	char *user;        /* NULL: it is not told who asks */
	char *secret_file; /* NULL but with user; its first line is the password */
};

#define PROBE_USER_MAX      128
#define PROBE_REDIRECTS_MAX 10

/* One item of the configuration's list of probes; filled by bl_conf. */
struct probe_conf {
	char *name;
	int kind;     /* enum probe_kind */
	char *url;    /* kind http: http:// or https:// */
	char *host;   /* the others: a name or an address */
	int64_t port; /* 0: the kind's usual one */
	struct probe_tcp_conf tcp;
	struct probe_dns_conf dns;
	struct probe_ping_conf ping;
	struct probe_tls_conf tls;
	struct probe_modbus_conf modbus;
	int64_t interval_ms;
	int64_t timeout_ms; /* of each phase; the whole run ends when the next one is due */
	int method;         /* enum probe_method */
	struct bl_conf_strmap headers;
	char *body;        /* NULL: none */
	int auth;          /* enum probe_auth */
	char *user;        /* NULL but for basic */
	char *secret_file; /* NULL: none; its first line is the password or the token */
	struct probe_proxy_conf proxy;
	int64_t redirects;                 /* followed at most; 0: a redirect is the answer */
	bool compressed;                   /* gzip and deflate are asked for */
	char *expect_regex;                /* must match in the body; NULL: no check */
	struct bl_conf_strmap expect_json; /* place: what must stand there */
	char *expect_status;               /* "200-399", "200, 204, 300-399" */
	char *expect_body;                 /* must occur in the body; "": no check */
	int64_t body_max_bytes;            /* reading stops here */
	bool keep_alive;
	char *ca_file;   /* PEM; "": the system's bundle */
	bool tls_resume; /* a later handshake goes on with an earlier session */
	bool verify;     /* a bad certificate makes the run fail (it is measured anyway) */
};

/* The table of one probe, for a key of type BL_CONF_LIST ... */
extern const struct bl_conf_section probe_conf_section;
/* ... with max = PROBES_MAX and unique = "name". */

/* How many values of its own names a probe has; the most of one in a list of probes. */
unsigned probe_points(const struct probe_conf *conf);
unsigned probe_points_most(const struct bl_conf_list *probes);

/* Why a run failed.  The names (probe_reason_name) stand in events: never renamed. */
enum probe_reason {
	PROBE_OK = 0,
	PROBE_FAIL_DNS,
	PROBE_FAIL_REFUSED,
	PROBE_FAIL_UNREACHABLE,
	PROBE_FAIL_TIMEOUT,
	PROBE_FAIL_TLS,
	PROBE_FAIL_CERTIFICATE,
	PROBE_FAIL_STATUS,
	PROBE_FAIL_BODY,
	PROBE_FAIL_HTTP,        /* not HTTP, malformed, or cut off before its end */
	PROBE_FAIL_ANSWER,      /* another answer than the expected one */
	PROBE_FAIL_PROTOCOL,    /* of others than HTTP: not this protocol, malformed, or cut off */
	PROBE_FAIL_NOT_ALLOWED, /* the agent may not try (ICMP sockets): up is unknown */
	PROBE_FAIL_PROXY,       /* the proxy cannot be asked, or refuses */
	PROBE_FAIL_REDIRECT,    /* too many, or to where we do not follow */
	PROBE_FAIL_INTERNAL,    /* the agent could not try (memory, descriptors): up is unknown */
};

/* "ok", "dns", "refused" ...; never NULL. */
const char *probe_reason_name(enum probe_reason r);

/* The series of a probe, in this order in probe_result.value. */
enum probe_series {
	PROBE_UP = 0,
	PROBE_DNS_MS,
	PROBE_CONNECT_MS,
	PROBE_TLS_MS,
	PROBE_FIRST_BYTE_MS,
	PROBE_TRANSFER_MS,
	PROBE_TOTAL_MS,
	PROBE_STATUS_CODE,
	PROBE_BODY_BYTES,
	PROBE_BODY_MATCH,
	PROBE_CERTIFICATE_DAYS,
	PROBE_ANSWER_MATCH, /* of others than HTTP */
	PROBE_TLS_RESUMED,  /* of a handshake; absent where sessions are not resumed */
	PROBE_DNS_RECORDS,
	PROBE_DNS_TTL_S,
	PROBE_RTT_MS,
	PROBE_RTT_MIN_MS,
	PROBE_RTT_MAX_MS,
	PROBE_LOSS_PCT,
	PROBE_CHAIN_DAYS,
	PROBE_CHAIN_LENGTH,
	PROBE_TLS_VERSION,
	PROBE_REDIRECTS, /* followed; absent where none are */
	PROBE_PROXY_MS,  /* of CONNECT; absent where no tunnel is asked for */
	PROBE_SERIES,
};

enum probe_got {
	PROBE_ABSENT =
	    0, /* did not happen and was not due (no TLS, connection reused ...): not put */
	PROBE_HAVE,
	PROBE_MISSING, /* not reached: unknown, unreadable */
	PROBE_LATE,    /* not reached in time: unknown, timeout */
};

struct probe_value {
	enum probe_got got;
	double v;
};

/* What one run found.  Plain data: copy it freely, but for what point leads to. */
struct probe_result {
	unsigned probe;  /* place in the list given to prober_start */
	int64_t boot_ms; /* when the run began */
	enum probe_reason reason;
	bool reused;      /* over a connection kept from an earlier run */
	char detail[192]; /* for people; empty when ok */
	struct probe_value value[PROBE_SERIES];
	/* Those that the configuration names, in its order; borrowed, until the callback returns.
	 */
	unsigned n_points;
	const struct probe_value *point;
};

struct prober;

/* On the prober thread; must not block and must not call prober_stop.  Borrows r. */
typedef void (*prober_result_cb)(void *ctx, const struct probe_result *r);

/*
 * Starts the thread.  Keeps probes (a list of struct probe_conf), clock and
 * ctx until prober_stop has returned.  Certificates are read later, by the
 * thread, and only for https.  BL_EINVAL names a probe that cannot run;
 * BL_EFULL: more than PROBES_MAX.  An empty list is fine: no thread then.
 */
int prober_start(struct prober **out, const struct bl_conf_list *probes,
    const struct bl_clock *clock, prober_result_cb result, void *ctx, struct bl_err *err);
/* TLS sessions are forgotten at its next turn, to make room: the next handshakes are whole ones.
 * Any thread.  NULL is fine. */
void prober_forget_sessions(struct prober *p);
/*
 * Our clock is known to be wrong (or no more, as at the start): from the next connection on the
 * dates of certificates are not judged, and how many days they have left is unknown.  Any thread.
 * NULL is fine.
 */
void prober_clock_wrong(struct prober *p, bool wrong);
/* Ends the thread (within milliseconds, whatever hangs); no callback runs afterwards.  NULL is
 * fine. */
void prober_stop(struct prober *p);

/*
 * The boot time from which on results may be to come; INT64_MAX: no run is under
 * way.  Look at the clock first, then here, then at the results that came: no
 * result with an earlier boot_ms than the lesser of the two comes after them.
 * Any thread.  NULL is fine.
 */
int64_t prober_open_from_ms(const struct prober *p);

/*
 * Monotonic ms: until when the thread sleeps at most; while it works, since when it does.
 * For a watchdog.  Any thread.  NULL is fine: INT64_MAX.
 */
int64_t prober_awake_by_mono_ms(const struct prober *p);

/* What the putting side remembers of one probe; one for each, by the same index. */
struct probe_state {
	const struct probe_conf *conf; /* kept */
	int32_t handle[PROBE_SERIES];
	int32_t point_handle[PROBE_POINTS_MAX];
	int last_up; /* -1: no result yet */
	bool told;   /* that it is not allowed to try */
};

void probe_state_init(struct probe_state *s, const struct probe_conf *conf);

/*
 * Puts the samples of r (the sink's owner has set its instant to r->boot_ms
 * and its stream to BL_STREAM_PROBES) and, when `up` differs from the last
 * result or there was none, the event probe.state {probe, up, reason, detail}.
 * What may not be tried is told once, as probe.unable {probe, reason, detail}.
 * Thread of the sink.
 */
void probe_result_put(
    const struct probe_result *r, struct probe_state *s, struct sample_sink *sink);

#endif
