/* What the inlet's files share. */
#ifndef INLET_HTTP_INTERNAL_H
#define INLET_HTTP_INTERNAL_H

#include "http_chunk.h"
#include "http_head.h"
#include "inlet_http.h"
#include "inlet_http_batch.h"

#define INLET_HTTP_CLIENTS    128u       /* 64 of one user, or of a port */
#define INLET_HTTP_PARKED     256u       /* accepted over a Unix socket, and waiting for a place */
#define INLET_HTTP_CONNECTS   256u       /* taken in a turn; further ones wait in the kernel */
#define INLET_HTTP_UNDER_WAY  (4u << 20) /* bytes of bodies, messages, answers; half of one user */
#define INLET_HTTP_IDLE_MS    60000      /* until a request begins */
#define INLET_HTTP_QUIET_MS   1000       /* so long silent, it makes room for another */
#define INLET_HTTP_HEAD_MS    5000       /* for its head, from the first byte */
#define INLET_HTTP_BODY_MS    10000      /* for its body */
#define INLET_HTTP_DISK_MS    8000       /* for the disk, from the last one that was stored */
#define INLET_HTTP_SEND_MS    10000      /* for the answer */
#define INLET_HTTP_END_MS     5000       /* for the other side to see it */
#define INLET_HTTP_ROOM_MS    1000       /* until the host is asked again */
#define INLET_HTTP_TURN       64u        /* reports taken in a turn */
#define INLET_HTTP_TURN_BYTES (128u * 1024u) /* of their text */

enum inlet_http_state {
	INLET_HTTP_FREE,
	INLET_HTTP_HEAD,
	INLET_HTTP_BODY,
	INLET_HTTP_WORK, /* its reports are handed over, or wait for the disk */
	INLET_HTTP_SEND,
	INLET_HTTP_END,
};

struct inlet_http_client {
	enum inlet_http_state state;
	int fd;
	uint32_t round; /* another one for each request: part of the token */
	uint32_t watched;
	int64_t deadline_mono_ms;
	bool keep;         /* the connection goes on behind the answer */
	bool head;         /* HEAD: the answer has no body */
	const char *allow; /* the method of what is asked for */
	bool chunked;
	bool from_port; /* not over a Unix socket */
	uint32_t user;  /* inlet_user */
	enum inlet_http_form form;
	struct http_chunk chunk;
	uint64_t left; /* of the body */
	size_t in_len;
	char *in; /* owned; HTTP_HEAD_MAX */
	struct bl_buf body;
	struct inlet_http_batch *batch; /* owned; while it works */
	struct bl_buf out;
	size_t out_sent;
};

/* Counters; in the order of the names in inlet_http.c. */
enum inlet_http_counter {
	INLET_HTTP_N_REQUESTS,
	INLET_HTTP_N_ACCEPTED,
	INLET_HTTP_N_REPEATED,
	INLET_HTTP_N_BAD_REPORTS, /* the first that was refused */
	INLET_HTTP_N_NOT_STORED,
	INLET_HTTP_N_BAD_REQUESTS,
	INLET_HTTP_N_FOREIGN,
	INLET_HTTP_N_UNAUTHORIZED,
	INLET_HTTP_N_NO_TOKEN, /* token_file cannot be read: nobody is let in */
	INLET_HTTP_N_TOO_LARGE,
	INLET_HTTP_N_BUSY,
	INLET_HTTP_N_TOO_SLOW,
	INLET_HTTP_COUNTERS,
};

struct inlet_http {
	const struct inlet_http_conf *conf;
	const struct inlet_host *host;
	int epoll_fd, listen_fd;
	char *path; /* of a Unix socket; owned */
	bool finishing;
	bool due;   /* there is work that no descriptor tells of */
	bool full;  /* connections wait for a place */
	bool stuck; /* somebody waited for the disk in vain, and nothing has been stored since */
	int64_t again_mono_ms; /* the listener is watched again; INT64_MAX: it is */
	int64_t room_mono_ms;  /* there may be room, though no done tells of it; INT64_MAX */
	unsigned first;        /* whose turn it is first */
	unsigned outstanding;  /* reports without a done */
	uint64_t count[INLET_HTTP_COUNTERS];
	uint64_t said[INLET_HTTP_COUNTERS];        /* count when the log heard of it */
	int64_t said_mono_ms[INLET_HTTP_COUNTERS]; /* 0: never */
	struct inlet_http_client client[INLET_HTTP_CLIENTS];
	struct inlet_http_parked {
		int fd;
		uint32_t user;
	} parked[INLET_HTTP_PARKED]; /* in the order in which they came */
	unsigned n_parked;
	int64_t parked_mono_ms; /* they are looked at again; INT64_MAX: there are none */
};

/* ---- inlet_http.c ---- */
/* Counts, and tells the log once an hour.  what: of this one, for the log. */
void inlet_http_note(
    struct inlet_http *in, enum inlet_http_counter counter, uint64_t n, const char *what);
/* Whether one of this user may have so many bytes more under way: nobody has more than are left. */
bool inlet_http_has_memory(const struct inlet_http *in, uint32_t user, uint64_t more);

/* ---- inlet_http_client.c ---- */
void inlet_http_client_accept(struct inlet_http *in);
/* Listens again, when there is a place or after a while; who waits gets his. */
void inlet_http_client_accept_again(struct inlet_http *in);
/* The agent ends: who waits for a place is let go. */
void inlet_http_client_unpark_all(struct inlet_http *in);
void inlet_http_client_drop(struct inlet_http_client *c);
/* Its descriptor is ready; gone: in both directions. */
void inlet_http_client_ready(struct inlet_http *in, struct inlet_http_client *c, bool gone);
void inlet_http_client_due(struct inlet_http *in, struct inlet_http_client *c);
/* What came with the last request is looked at. */
void inlet_http_client_go_on(struct inlet_http *in, struct inlet_http_client *c);
/* Sends the answer, whose body is in c->out. */
void inlet_http_client_answer(
    struct inlet_http *in, struct inlet_http_client *c, int status, const char *type);
/* {"error": ...}; the connection ends behind it. */
void inlet_http_client_error(
    struct inlet_http *in, struct inlet_http_client *c, int status, const char *why);

/* ---- inlet_http_request.c ---- */
/* A whole head is there: an answer, or BODY begins. */
void inlet_http_request(struct inlet_http *in, struct inlet_http_client *c, size_t head_len);

/* ---- inlet_http_work.c ---- */
/* The body is there. */
void inlet_http_work_begin(struct inlet_http *in, struct inlet_http_client *c);
/* One report of everybody in turn, as far as a turn goes; answers what is through. */
void inlet_http_work(struct inlet_http *in);
/* The disk is waited for too long. */
void inlet_http_work_late(struct inlet_http *in, struct inlet_http_client *c);
void inlet_http_work_done(struct inlet_http *in, uint64_t token, int rc);
/* The agent ends: hands over no more. */
void inlet_http_work_stop(struct inlet_http_client *c);

#endif
