/* What the inlet's files share. */
#ifndef INLET_INTERNAL_H
#define INLET_INTERNAL_H

#include "branchline/log.h"

#include "inlet.h"
#include "inlet_line.h"

#define INLET_ANSWERS      16u            /* of one client, under way */
#define INLET_FLIGHTS      64u            /* events of all clients that wait for the disk */
#define INLET_FLIGHT_BYTES (128u * 1024u) /* of them: half of the spool's queue */
#define INLET_ANSWER_BYTES 384u           /* of one answer, with its newline */
#define INLET_LISTENER     INLET_CLIENTS  /* what epoll tells of, beside the clients by number */
#define INLET_DATAGRAMS    (INLET_CLIENTS + 1)

enum answer_state { ANSWER_WAITS, ANSWER_READY };

struct answer {
	enum answer_state state;
	uint16_t len;
	char text[INLET_ANSWER_BYTES];
};

struct client {
	int fd;
	uint32_t user;    /* inlet_user */
	uint32_t watched; /* what epoll looks for; the descriptor is not in it when hung_up */
	bool eof;         /* nothing more comes, or is wanted */
	bool gone;        /* so is who wrote: a line without an end may be half of one */
	bool hung_up;     /* nobody reads answers any more */
	bool skipping;    /* the rest of a line that was too long */
	bool blocked;     /* the socket takes no more answers until it is writable again */
	int64_t active_mono_ms;
	size_t in_len, in_at;        /* at: what was taken of it in this turn */
	char in[INLET_LINE_MAX + 2]; /* a line of the full length with \r\n */
	unsigned head, n;            /* ring of answers */
	size_t head_sent;            /* bytes of the first one that are out */
	struct answer ring[INLET_ANSWERS];
};

/* Whose line it was: an answer of a client, or of the datagram socket (INLET_DATAGRAMS). */
struct whose {
	uint8_t client, slot;
};

/* A report that waits for the disk. */
struct flight {
	bool used;
	bool late; /* its answer was given already */
	struct whose whose;
	uint32_t round; /* of this place: part of the token */
	uint32_t bytes;
	int64_t deadline_mono_ms;
};

struct datagrams; /* inlet_datagram.c */

struct inlet {
	const struct bl_clock *clock;
	struct inlet_sink sink;
	int64_t answer_ms, idle_ms;
	char *path;
	int epoll_fd, listen_fd;
	int64_t listen_again_mono_ms; /* out of descriptors: not before; 0: it listens */
	bool finishing;
	bool due;       /* there is work that no descriptor tells of */
	unsigned first; /* whose turn it is first */
	struct client *client[INLET_CLIENTS];
	struct flight flight[INLET_FLIGHTS];
	unsigned n_flights, n_late;
	size_t flight_bytes;
	struct datagrams *datagrams; /* NULL: not wanted */
	struct inlet_counters count;
	struct bl_log_limit share_log;
	struct inlet_line line; /* scratch */
};

/* ---- inlet_client.c ---- */
void client_accept(struct inlet *in);
void client_drop(struct inlet *in, unsigned i);
/* For the disk. */
bool client_waits(const struct client *c);
/* gone: in both directions. */
void client_read(struct inlet *in, struct client *c, bool gone);
/* One line to an event or an answer. */
enum client_line { LINE_NONE, LINE_TAKEN, LINE_NO_ROOM /* for its event; its turn comes first */ };
enum client_line client_line(struct inlet *in, unsigned i);
/* After the lines of a turn. */
void client_settle(struct inlet *in, struct client *c);
/* Sends what is ready; afterwards the client may be gone. */
void client_flush(struct inlet *in, unsigned i);

/* ---- inlet_datagram.c ---- */
int datagrams_open(struct inlet *in, const struct inlet_opts *opts, struct bl_err *err);
/* Reads no more; what was taken is answered still. */
void datagrams_finish(struct inlet *in);
void datagrams_close(struct inlet *in);
/* There is something to read. */
void datagrams_ready(struct inlet *in);
/* The next one, if there is one and room for it.  False: no. */
bool datagrams_take(struct inlet *in);
/* Where an answer is put, and when it is there. */
struct answer *datagrams_answer(struct inlet *in, unsigned slot);
void datagrams_answered(struct inlet *in, unsigned slot);
/* There may be room again. */
void datagrams_again(struct inlet *in);

/* ---- inlet_flight.c ---- */
bool flight_room(const struct inlet *in, size_t bytes);
/* An answer for the line in in->line, or a flight that will give it. */
void flight_begin(struct inlet *in, struct whose whose, size_t bytes);
void flight_expire(struct inlet *in, int64_t now);

void answer_put(struct answer *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
