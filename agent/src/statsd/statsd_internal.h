/* What the inlet's files share. */
#ifndef STATSD_INTERNAL_H
#define STATSD_INTERNAL_H

#include <sys/socket.h>
#include <sys/types.h>

#include "intake.h"
#include "statsd.h"
#include "statsd_line.h"

#include "branchline/buf.h"
#include "branchline/log.h"
#include "branchline/sketch.h"

#define STATSD_NAME_MAX   256u   /* bytes of a name as it was sent */
#define STATSD_WAIT_BYTES 32768u /* of events that found no room at once */
#define STATSD_SET_ROOM   65536u /* places of all sets together, 8 bytes each */
#define STATSD_UNKNOWN_MS 600000 /* as long as samplers do: then the series rests */
#define STATSD_CLIENTS    64u    /* connections of stream sockets, half of them of one user */
#define STATSD_SILENT_MS  60000  /* so long silent, one makes room for another */

/* Numbers of status, beside those of intake; see statsd_count_names. */
enum statsd_count {
	STATSD_PACKETS,
	STATSD_ACCEPTED, /* lines that were taken, and events that are on disk */
	STATSD_EVENTS,
	STATSD_STAMPED, /* values with a time of their own, on disk */
	STATSD_BAD_LINES,
	STATSD_TOO_LONG,
	STATSD_DROPPED_PACKETS, /* by the kernel */
	STATSD_SET_FULL,
	STATSD_EVENTS_REFUSED,
	STATSD_BAD_TIME,
	STATSD_STAMPED_REFUSED,
	STATSD_BAD_FRAMES,      /* connections that ended by a length that is none */
	STATSD_REFUSED_CLIENTS, /* all places are taken, or this user's share */
	STATSD_COUNTS
};

/* ---- statsd_set.c ---- */

struct statsd_set {
	uint64_t *slot;
	uint32_t n, size;
	bool full; /* something found no room: n is not the whole */
};

/* room: places that all sets may still take.  False: no room, which the set remembers. */
bool statsd_set_add(struct statsd_set *s, uint64_t hash, uint32_t *room);
/* Empty again; its places go back. */
void statsd_set_reset(struct statsd_set *s, uint32_t *room);

/* ---- statsd_names.c: from what was sent to a number, fast ---- */

struct statsd_names;

/* about: how many there will be; it keeps four ways of writing each. */
struct statsd_names *statsd_names_create(uint32_t about, const struct bl_clock *clock);
void statsd_names_free(struct statsd_names *t); /* NULL is fine */
/* Of a text, under this table's secret key. */
uint64_t statsd_names_hash(const struct statsd_names *t, uint64_t seed, struct bl_str s);
/* The number under which (kind, name, tags) was put, or -1; *hash is for statsd_names_put. */
int32_t statsd_names_find(
    const struct statsd_names *t, const struct statsd_line *l, uint64_t *hash);
/* What finds no room is not found later: all are forgotten when the table is full. */
void statsd_names_put(
    struct statsd_names *t, const struct statsd_line *l, uint64_t hash, int32_t number);

/* ---- statsd_series.c: what was sent, by series ---- */

/* Beside the count, whose slot is the entry's own. */
enum {
	STATSD_TIMER_SUM,
	STATSD_TIMER_MIN,
	STATSD_TIMER_MAX,
	STATSD_TIMER_P50,
	STATSD_TIMER_P95,
	STATSD_TIMER_P99,
	STATSD_TIMER_SERIES
};

struct statsd_timer {
	int32_t slot[STATSD_TIMER_SERIES];
	double sum, min, max;
	bool sum_falls;           /* a value was negative: its sum is no counter */
	struct bl_sketch *sketch; /* of this tick; NULL: no value yet */
};

struct statsd_entry {
	enum statsd_kind kind;
	int32_t slot;
	double value;         /* sum of a counter, count of a timer, a gauge's or a check's value */
	int64_t born_boot_ms; /* of its first 0 */
	uint32_t quiet;       /* ticks since it was sent */
	uint8_t said;         /* 1 + the state of a check that was reported last */
	struct statsd_timer *timer;
	struct statsd_set set;
};

struct statsd_series {
	const struct statsd_conf *conf;
	const struct inlet_host *host;
	struct intake *intake;
	struct intake *stamped; /* of values with their own time; NULL: there was none yet */
	struct statsd_names *names;
	struct statsd_entry *entry;
	uint32_t n, size;
	uint32_t *owner; /* by slot: its entry, counted from 1 */
	uint32_t n_owner;
	uint32_t set_room;
	bool fresh;           /* zeros were put that nobody has handed on yet */
	int64_t born_boot_ms; /* of the newest entry */
	uint64_t count[STATSD_COUNTS];
};

int statsd_series_open(struct statsd_series *t, const struct statsd_conf *conf,
    const struct inlet_host *host, struct bl_err *err);
void statsd_series_close(struct statsd_series *t);
/* Counts it, or why not.  Returns how much work it was: values. */
unsigned statsd_series_take(struct statsd_series *t, const struct statsd_line *l);
/* A service check's; its entry, or NULL (counted). */
struct statsd_entry *statsd_series_check(struct statsd_series *t, const struct statsd_line *l);

/* What its name and tags say, as they were sent; false: refused and counted. */
bool statsd_series_named(struct statsd_series *t, const struct statsd_line *l,
    struct intake_name *n, struct bl_str *name);

/* ---- statsd_tick.c ---- */

/* Hands on the zeros with which counters begin. */
void statsd_series_settle(struct statsd_series *t);
/* Puts all of them, as of boot_ms, and begins the next tick. */
void statsd_series_tick(struct statsd_series *t, int64_t boot_ms);

/* The next tag that is not to be dropped, off the front of tags: KEY, mark, VALUE; a bare word is
 * KEY with the value "true".  False: there is none. */
bool statsd_tag(
    const struct statsd_conf *conf, struct bl_str *tags, char mark, struct bl_label *out);

/* ---- statsd_socket.c ---- */

struct statsd_socket {
	int fd;
	bool stream; /* it listens: connections with a length before each packet */
	bool deaf;   /* it does so no more: there was no descriptor */
	char *path;  /* of a Unix socket, to be removed; else NULL */
	uint32_t drops;
};

/* One address of `listen`.  On failure nothing is left. */
int statsd_socket_open(struct statsd_socket *s, const char *listen, const struct statsd_conf *conf,
    struct bl_err *err);
void statsd_socket_close(struct statsd_socket *s);
/* What the kernel dropped since the last call. */
uint32_t statsd_socket_drops(struct statsd_socket *s);
/* The path of a stream socket; NULL: it is none. */
const char *statsd_socket_stream(const char *listen);
const char *statsd_socket_check(const char *listen);

/* ---- statsd_stream.c ---- */

struct statsd;

struct statsd_client {
	bool used, ready;
	bool known, lines; /* what it writes: lines, or packets with their length */
	int fd;
	uint32_t user;          /* inlet_user */
	int64_t active_mono_ms; /* when something came */
	uint32_t n;
	char *part; /* of a packet that is not whole yet, with its length; owned */
};

/* What the kernel tells: connections that come, and who has said something. */
void statsd_stream_look(struct statsd *s);
/* A tick is over: there may be descriptors again. */
void statsd_stream_listen_again(struct statsd *s);
/* Some of each that has said something, as far as the turn goes; how many. */
unsigned statsd_stream_turn(struct statsd *s, unsigned *work);
/* The packets that stand whole in p; how many bytes they are, or -1: a length that is none. */
ssize_t statsd_stream_packets(struct statsd *s, const char *p, size_t len, unsigned *work);
/* The same of lines; -1: one that is too long. */
ssize_t statsd_stream_lines(struct statsd *s, const char *p, size_t len, unsigned *work);
void statsd_stream_close(struct statsd *s);

/* ---- statsd.c ---- */

#define STATSD_MESSAGES 32u

/* What one call of the kernel fills; pages that no packet reaches are never touched. */
struct statsd_packets {
	struct mmsghdr header[STATSD_MESSAGES];
	struct iovec iov[STATSD_MESSAGES];
	char data[STATSD_MESSAGES][STATSD_PACKET_MAX];
};

/* What epoll tells of. */
#define STATSD_OF_CLIENT 0x100u /* and its number; below: a socket's */

struct statsd {
	const struct statsd_conf *conf;
	const struct inlet_host *host;
	int epoll_fd;
	unsigned n_sockets, first; /* whose turn it is */
	unsigned at_once;          /* datagrams of one call */
	struct statsd_socket socket[STATSD_SOCKETS];
	bool streams; /* some of them are */
	unsigned n_clients, first_client;
	struct statsd_client *client; /* STATSD_CLIENTS of them, when there are streams; owned */
	int64_t until_mono_ms;        /* the turn ends */
	struct statsd_packets *packets;
	struct statsd_series series;
	struct bl_buf wait; /* lines of events, length-prefixed, that found no room */
	unsigned under_way;
	uint64_t token; /* of the next report; its lowest bit: a value's, not an event's */
	struct bl_log_limit log[STATSD_COUNTS];
	char text[STATSD_PACKET_MAX + 256]; /* scratch: an event's texts */
};

/* A datagram; how much work it was.  cut: it was longer, the rest is gone. */
unsigned statsd_take_packet(struct statsd *s, const char *p, size_t len, bool cut);
/* It has done enough. */
bool statsd_turn_over(const struct statsd *s, unsigned work);
/* Counts it, and says so at most once an hour. */
void statsd_refuse(struct statsd *s, enum statsd_count why, const char *what);

/* ---- statsd_event.c ---- */

/* A line that begins with _e{ or _sc|. */
bool statsd_event_is(const char *p, size_t len);
/* Such a one, or a value with its own time: what becomes a report. */
void statsd_event_line(struct statsd *s, const char *p, size_t len);
/* One was answered, or time has passed: those that wait are tried again. */
void statsd_event_again(struct statsd *s);
/* Hands on a report; true: done with, one way or the other.  False: there is no room yet. */
bool statsd_event_report(struct statsd *s, const struct inlet_report *r);

/* ---- statsd_stamped.c ---- */

/* A value with its own time; false: there is no room for it yet. */
bool statsd_stamped_line(struct statsd *s, const char *p, size_t len);

#endif
