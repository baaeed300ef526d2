/*
 * The link: carries one plain byte stream of this process over mutual TLS
 * (mbedTLS 2.28, TLS 1.2), names every reason for failure, resumes sessions.
 *
 * On the way it may pass an HTTP proxy (CONNECT), and inside of TLS it may be
 * framed as WebSocket, both as options.
 *
 * Owned by one event loop; step never blocks.  Name look-ups run in a detached
 * thread with a deadline.  Nothing in here knows MQTT, except for the one
 * hand-over function through which Paho's library gets its socket:
 * bl_link_paho_connect takes the place of connect(2) in a private copy of
 * Paho's archive (see README.md of this folder).
 *
 * Also usable without Paho: with cfg.handover = false the link stops in phase
 * READY once TLS is up (what `branchline-agent diagnose` asks).
 */
#ifndef BRANCHLINE_LINK_H
#define BRANCHLINE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/err.h"

enum bl_link_phase {
	BL_LINK_IDLE,
	BL_LINK_DNS,
	BL_LINK_CONNECT,
	BL_LINK_PROXY, /* CONNECT was asked of the proxy */
	BL_LINK_TLS,
	BL_LINK_UPGRADE, /* TLS is up, WebSocket was asked of the server */
	BL_LINK_READY,   /* the stream is up, waiting for the inner side (or for nothing: handover =
			  * false)
			  */
	BL_LINK_UP,
	BL_LINK_DOWN,
};

enum bl_link_fault {
	BL_FAULT_NONE,
	BL_FAULT_DNS,
	BL_FAULT_REFUSED,
	BL_FAULT_UNREACHABLE,
	BL_FAULT_TIMEOUT,
	BL_FAULT_NOT_TLS,
	BL_FAULT_SERVER_CERT,
	BL_FAULT_OWN_CERT,
	BL_FAULT_TLS,
	BL_FAULT_PEER_CLOSED,
	BL_FAULT_LOST,
	BL_FAULT_CLIENT_CLOSED,
	BL_FAULT_STOPPED,
	BL_FAULT_PROXY,     /* the proxy does not let us through, or is none */
	BL_FAULT_PORTAL,    /* a login page or a captive portal answers */
	BL_FAULT_WEBSOCKET, /* TLS fine, the server does not speak WebSocket */
	BL_FAULT_BROKER,    /* TLS fine, the broker refused (set by mqtt) */
	BL_FAULT_INTERNAL,
};

struct bl_link_cfg {
	const char *host;
	uint16_t port;
	const char *verify_name; /* name in the server's certificate; NULL: host */
	const char *ca_file;     /* PEM */
	const char *cert_file;   /* PEM, may hold a chain */
	const char *key_file;    /* PEM */
	const char *crl_file;    /* PEM or NULL */
	/*
	 * An HTTP proxy to go through; NULL or "": none.  It is asked for host by its
	 * name, so that only the proxy's name is looked up here.  The password is
	 * read anew from its file for every connection, and sent as Basic.
	 */
	const char *proxy_host;
	uint16_t proxy_port;
	const char *proxy_user;          /* NULL or "": without signing in */
	const char *proxy_password_file; /* the password alone in its first line */
	const char *websocket_path;      /* NULL or "": MQTT on TLS, else WebSocket at this path */
	unsigned dns_ms, connect_ms, tls_ms, ready_ms; /* one deadline a phase; 0: 5000 */
	unsigned proxy_ms;                             /* the proxy has to get through; 0: 15000 */
	unsigned user_timeout_ms;                      /* TCP_USER_TIMEOUT; 0: 30000 */
	bool resume;                                   /* keep TLS sessions between connections */
	bool handover;
};

struct bl_link_report {
	enum bl_link_fault fault;
	enum bl_link_phase phase; /* in which it failed, or where it is */
	char text[320];           /* for people: what, on what, why */
	char peer[64];            /* address used: the server's, or the proxy's */
	char local[64];           /* our own address on this connection */
	bool via_proxy, websocket;
	char cipher[64];
	char server_subject[128]; /* CN of the certificate that the server showed */
	double dns_ms, connect_ms, proxy_ms, tls_ms, tls_cpu_ms, upgrade_ms;
	bool resumed;
	uint64_t wire_in_bytes, wire_out_bytes, plain_in_bytes, plain_out_bytes;
	int os_errno;
	/*
	 * Latest notBefore of a verified server chain when it lies after our
	 * clock (unix ms), else 0.  The link does not fail for that reason alone
	 * while `clock_untrusted` is set; the owner lifts its clock floor.
	 */
	int64_t server_not_before_unix_ms;
};

struct bl_link;

/* Copies cfg.  Loads and checks the credentials: BL_EINVAL with the file's name and the reason. */
int bl_link_create(struct bl_link **out, const struct bl_link_cfg *cfg,
    const struct bl_clock *clock, struct bl_err *err);
void bl_link_free(struct bl_link *l);
/* Loads new files beside the old ones; used from the next start.  On error the old ones stay. */
int bl_link_reload(struct bl_link *l, const struct bl_link_cfg *cfg, struct bl_err *err);

/* Only when IDLE or DOWN. */
int bl_link_start(struct bl_link *l, struct bl_err *err);
void bl_link_stop(struct bl_link *l, const char *why);

int bl_link_fd(const struct bl_link *l); /* nested epoll descriptor: readable when step has work */
int bl_link_timeout_ms(const struct bl_link *l);
void bl_link_step(struct bl_link *l);

/*
 * True when bytes wait for the peer's acknowledgement and some were
 * acknowledged since the last call: a slow network that moves, as opposed to
 * a peer that answers nothing.
 */
bool bl_link_draining(struct bl_link *l);

/*
 * What the network carried for this link since it was made, over all connections
 * and attempts: the bytes of IP packets, headers of IP and TCP and what was sent
 * again included, as the kernel counted (link_bytes.c says how).  Never falls.
 */
struct bl_link_bytes {
	uint64_t in_bytes, out_bytes;
};

void bl_link_bytes(const struct bl_link *l, struct bl_link_bytes *out);
/* Round trip to the server as the kernel's TCP sees it, rounded up; 0: no connection, or a proxy is
 * between. */
unsigned bl_link_rtt_ms(const struct bl_link *l);

/* Dates of certificates are judged by a clock known to be wrong: see server_not_before_unix_ms. */
void bl_link_clock_untrusted(struct bl_link *l, bool untrusted);

enum bl_link_phase bl_link_phase(const struct bl_link *l);
/* For Paho's serverURIs; valid in READY. */
const char *bl_link_uri(const struct bl_link *l);
const struct bl_link_report *bl_link_report(const struct bl_link *l);
const char *bl_link_fault_name(enum bl_link_fault f); /* "dns", "own_cert" ...; never NULL */

#endif
