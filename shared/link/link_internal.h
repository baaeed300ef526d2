/*
 * Inside of the link: one struct, and what its files do for each other.
 *
 *   link.c      life cycle, step, deadlines
 *   creds       certificate files -> a TLS configuration
 *   dial        name look-up and TCP
 *   proxy       CONNECT
 *   tls         handshake, resumption
 *   verify      what mbedTLS complains of in the server's chain
 *   upgrade     asks for WebSocket, and ends it
 *   http, ws    answers and frames, pure
 *   bridge      bytes between TLS and the inner socket
 *   handover    how Paho's thread gets its end of the socket pair
 *   errors      failures as sentences
 *
 * All of it runs on the owner's thread, except the detached look-up thread
 * (dial) and bl_link_paho_connect (handover), which share nothing with the
 * rest but what their own lock or reference count guards.
 */
#ifndef LINK_INTERNAL_H
#define LINK_INTERNAL_H

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <mbedtls/ssl.h>
#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>

#include "branchline/link.h"

#include "link_http.h"
#include "link_ws.h"

#define LINK_HOST_MAX      256
#define LINK_USER_MAX      128
#define LINK_PATH_MAX      128
#define LINK_FILE_MAX      4096
#define LINK_ADDRESSES_MAX 8
/* One TLS record of plain text: a larger piece would be split by mbedTLS anyway. */
#define LINK_UP_BYTES   16384
#define LINK_DOWN_BYTES LINK_HTTP_HEAD_MAX
/* Enough to tell HTTP, SSH or SMTP from a TLS record. */
#define LINK_HEAD_BYTES 32

enum link_watch { LINK_WATCH_DNS = 1, LINK_WATCH_OUTER, LINK_WATCH_HANDOVER, LINK_WATCH_INNER };

/* One set of files; lives as long as a session may use it. */
struct link_creds {
	mbedtls_ssl_config conf;
	mbedtls_x509_crt ca;
	mbedtls_x509_crt own;
	mbedtls_x509_crl crl;
	mbedtls_pk_context key;
	bool has_crl;
	bool told_stale_crl;
};

struct link_address {
	struct sockaddr_storage at;
	socklen_t size;
};

struct link_dns_job; /* shared with a detached thread, reference-counted */

/* A link in READY, in the list that bl_link_paho_connect searches. */
struct link_waiter {
	struct link_waiter *next;
	uint16_t token; /* 0: not waiting */
	int wake_fd;    /* eventfd, owned */
	int inner_fd;   /* our end of the pair once Paho has come, else -1 */
};

struct bl_link {
	const struct bl_clock *clock;
	char host[LINK_HOST_MAX];
	char verify_name[LINK_HOST_MAX];
	uint16_t port;
	char proxy_host[LINK_HOST_MAX]; /* "": none */
	uint16_t proxy_port;
	char proxy_user[LINK_USER_MAX];
	char *proxy_password_file; /* owned, or NULL */
	bool websocket;
	char path[LINK_PATH_MAX];
	unsigned dns_ms, connect_ms, proxy_ms, tls_ms, ready_ms, user_timeout_ms;
	unsigned slow_handshakes; /* that ran into their deadline, in a row; see link_tls.c */
	bool resume;
	bool handover;
	bool clock_untrusted;

	enum bl_link_phase phase;
	struct bl_link_report report;
	int64_t phase_mono_ms;
	int64_t deadline_mono_ms; /* 0: none */
	int64_t address_mono_ms;  /* this address has until then; 0: none */
	double phase_began_ms;    /* fine-grained, for the report */

	struct link_creds *creds;
	struct link_creds *next_creds; /* installed by reload, taken at start */
	mbedtls_ssl_context ssl;
	mbedtls_ssl_session saved;
	bool has_ssl, has_saved;
	uint32_t verify_flags;        /* all complaints of the chain that stand */
	int64_t chain_begins_unix_ms; /* latest notBefore seen in the chain */

	int epoll_fd;
	int outer_fd;
	int inner_fd;
	uint32_t outer_events, inner_events;
	struct link_waiter waiter;
	char uri[48];

	struct link_dns_job *dns;
	struct link_address addresses[LINK_ADDRESSES_MAX];
	unsigned address_count, address_next;
	unsigned address_turn; /* failures behind TCP in a row: where the next attempt begins */
	struct link_address current; /* the one that is tried, or in use */
	struct link_address good;    /* last one that a handshake succeeded with */

	bool want_write; /* mbedTLS could not send all */
	bool send_dead;  /* the socket takes nothing more; an alert may still wait to be read */
	bool inner_eof;
	struct bl_link_bytes bytes;          /* of sockets that were closed */
	uint64_t acked_bytes;                /* at the last look of bl_link_draining */
	unsigned char head[LINK_HEAD_BYTES]; /* first bytes of the peer */
	size_t head_len;
	struct link_ws ws;
	char ws_key[32];
	/* inner -> TLS; retried unchanged.  Before that: what is asked of proxy and server. */
	unsigned char up[LINK_UP_BYTES];
	size_t up_len, up_off;
	/* TLS -> inner.  Before that: the head of their answer. */
	unsigned char down[LINK_DOWN_BYTES];
	size_t down_len, down_off;
};

/* link.c */
void link_enter(struct bl_link *l, enum bl_link_phase phase, unsigned limit_ms);
void link_fail(struct bl_link *l, enum bl_link_fault fault, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* False: epoll refused, the link is DOWN. */
bool link_watch_add(struct bl_link *l, int fd, uint32_t events, enum link_watch what);
void link_watch_change(struct bl_link *l, int fd, uint32_t events, enum link_watch what);
void link_watch_remove(struct bl_link *l, int fd);
void link_close_fd(int *fd);
double link_now_ms(void);
double link_cpu_ms(void);
/* "host:port", "host:port (address)", "the proxy host:port ..." or "host:port through ..." */
const char *link_target(const struct bl_link *l, char *out, size_t size);
#define LINK_TARGET_MAX (2 * LINK_HOST_MAX + 120)
/* Whom we dial: the proxy when there is one. */
const char *link_dial_host(const struct bl_link *l);
uint16_t link_dial_port(const struct bl_link *l);

/* creds */
int link_creds_load(
    struct link_creds **out, struct bl_link *l, const struct bl_link_cfg *cfg, struct bl_err *err);
void link_creds_free(struct link_creds *c);

/* dial */
void link_dial_begin(struct bl_link *l);
void link_dial_resolved(struct bl_link *l); /* the look-up thread has finished */
void link_dial_writable(struct bl_link *l); /* connect(2) has an answer */
void link_dial_overdue(struct bl_link *l);  /* the current address took too long */
/* Deadline of DNS: true when the last good address is tried instead. */
bool link_dial_fall_back(struct bl_link *l, const char *why);
void link_dial_end(struct bl_link *l);

/* proxy */
void link_proxy_begin(struct bl_link *l);
void link_proxy_step(struct bl_link *l);
void link_proxy_check_password(const char *path); /* a word in the log when others can read it */

/* tls */
void link_tls_begin(struct bl_link *l);
void link_tls_step(struct bl_link *l);
void link_tls_forget(struct bl_link *l); /* drops the saved session */
void link_tls_end(struct bl_link *l);
void link_ready(struct bl_link *l); /* the stream stands: waits for the inner side */

/* upgrade */
void link_upgrade_begin(struct bl_link *l);
void link_upgrade_step(struct bl_link *l);
/* A final frame of at most 125 bytes into up, which must be empty. */
void link_upgrade_frame(struct bl_link *l, enum link_ws_op op, const void *data, size_t len);
void link_upgrade_close(struct bl_link *l, unsigned code); /* best effort */
void link_upgrade_ended(struct bl_link *l); /* the server closed, or broke the rules */

/* verify */
int link_verify_cb(void *ctx, mbedtls_x509_crt *crt, int depth, uint32_t *flags);

/* The CN of the subject, fit to be printed; "?" when there is none. */
void link_common_name(const mbedtls_x509_crt *crt, char *out, size_t size);

/* handover */
int link_handover_open(struct bl_link *l); /* token and eventfd; negative: no descriptors left */
int link_handover_take(struct bl_link *l); /* our end, or -1 */
void link_handover_close(struct bl_link *l);

/* bridge */
void link_bridge_begin(struct bl_link *l, int inner_fd);
void link_bridge_pump(struct bl_link *l);
void link_bridge_ready_event(struct bl_link *l); /* the server moved before the inner side came */

/* bytes: closes the outer socket, if there is one, after a last look at what it carried */
void link_bytes_close(struct bl_link *l);

/* errors */
void link_fail_handshake(struct bl_link *l, int rc);
void link_fail_session(struct bl_link *l, int rc);
/* A login page, a redirect: in words, whoever it comes from. */
void link_fail_portal(struct bl_link *l, const char *who, const struct link_http *h);
const char *link_phase_text(enum bl_link_phase phase);

#endif
