/*
 * The inlet's life and its turns; see the header.
 *
 * A turn takes datagrams of each socket by the dozen (recvmmsg) until there are none, or until it
 * has done WORK_MAX: a flood must not hold up ticks and link.  What is left waits in
 * the kernel, where a socket's own buffer bounds it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "statsd_internal.h"

#define WORK_MAX    10000u /* of a turn, in values of some 100 ns each */
#define TURN_MS     2      /* and this at most: names that are refused cost more */
#define WORK_PACKET 8u     /* what the kernel does for one */
#define LAST_TURNS  64u    /* at the end */
#define QUIET_MS    3600000
#define LINE_SHOWN  100 /* bytes of what was sent, in the log */

static const char *const count_names[STATSD_COUNTS] = {
	[STATSD_PACKETS] = "packets",
	[STATSD_ACCEPTED] = "accepted",
	[STATSD_EVENTS] = "events",
	[STATSD_STAMPED] = "stamped",
	[STATSD_BAD_LINES] = "bad_lines",
	[STATSD_TOO_LONG] = "too_long",
	[STATSD_DROPPED_PACKETS] = "dropped_packets",
	[STATSD_SET_FULL] = "set_full",
	[STATSD_EVENTS_REFUSED] = "events_refused",
	[STATSD_BAD_TIME] = "bad_time",
	[STATSD_STAMPED_REFUSED] = "stamped_refused",
	[STATSD_BAD_FRAMES] = "bad_frames",
	[STATSD_REFUSED_CLIENTS] = "refused_clients",
};

/* line: what was sent, as far as it helps; empty where it does not. */
static void
refuse_line(struct statsd *s, enum statsd_count why, const char *what, struct bl_str line)
{
	char got[LINE_SHOWN];
	unsigned swallowed;

	s->series.count[why]++;
	if (!bl_log_allow(&s->log[why], bl_mono_ms(s->host->clock), QUIET_MS, &swallowed))
		return;
	intake_harmless(got, sizeof(got), line);
	bl_warn("statsd", "something that was sent is not taken: %s%s%s reason=%s suppressed=%u",
	    what, got[0] != '\0' ? ", got " : "", got, count_names[why], swallowed);
}

void
statsd_refuse(struct statsd *s, enum statsd_count why, const char *what)
{
	refuse_line(s, why, what, (struct bl_str){ "", 0 });
}

/* ---- life ---- */

static void
close_sockets(struct statsd *s)
{
	statsd_stream_close(s);
	for (unsigned i = 0; i < s->n_sockets; i++)
		statsd_socket_close(&s->socket[i]);
	s->n_sockets = 0;
}

static void
statsd_close(void *in)
{
	struct statsd *s = in;

	if (s == NULL)
		return;
	close_sockets(s);
	if (s->epoll_fd >= 0)
		(void)close(s->epoll_fd);
	statsd_series_close(&s->series);
	bl_buf_free(&s->wait);
	free(s->packets);
	free(s);
}

static int
open_sockets(struct statsd *s, struct bl_err *err)
{
	struct epoll_event e = { .events = EPOLLIN };
	int rc;

	if ((s->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
		return bl_fail_errno(err, BL_EIO, "statsd: watch its sockets");
	for (size_t i = 0; i < s->conf->listen.n; i++) {
		struct statsd_socket *socket = &s->socket[s->n_sockets];

		if ((rc = statsd_socket_open(socket, s->conf->listen.item[i], s->conf, err)) < 0)
			return rc;
		e.data.u32 = s->n_sockets++;
		s->streams = s->streams || socket->stream;
		if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, socket->fd, &e) != 0)
			return bl_fail_errno(
			    err, BL_EIO, "watch socket %s", s->conf->listen.item[i]);
	}
	if (s->streams && (s->client = calloc(STATSD_CLIENTS, sizeof(*s->client))) == NULL)
		return bl_fail(err, BL_ENOMEM, "statsd: out of memory");
	return BL_OK;
}

static struct statsd_packets *
packets_create(void)
{
	struct statsd_packets *p = malloc(sizeof(*p));

	if (p == NULL)
		return NULL;
	memset(p->header, 0, sizeof(p->header));
	for (unsigned i = 0; i < STATSD_MESSAGES; i++) {
		p->iov[i] = (struct iovec){ p->data[i], sizeof(p->data[i]) };
		p->header[i].msg_hdr.msg_iov = &p->iov[i];
		p->header[i].msg_hdr.msg_iovlen = 1;
	}
	return p;
}

static int
statsd_open(void **out, const void *conf, const struct inlet_host *host, struct bl_err *err)
{
	const struct statsd_conf *c = conf;
	struct statsd *s;
	int rc;

	*out = NULL;
	if (c->listen.n == 0)
		return BL_OK;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return bl_fail(err, BL_ENOMEM, "statsd: out of memory");
	s->conf = c;
	s->host = host;
	s->epoll_fd = -1;
	s->at_once = STATSD_MESSAGES;
	bl_buf_init(&s->wait, STATSD_WAIT_BYTES);
	if ((s->packets = packets_create()) == NULL)
		rc = bl_fail(err, BL_ENOMEM, "statsd: out of memory");
	else if ((rc = statsd_series_open(&s->series, c, host, err)) == BL_OK)
		rc = open_sockets(s, err);
	if (rc < 0) {
		statsd_close(s);
		return rc;
	}
	*out = s;
	return BL_OK;
}

static int
statsd_fd(const void *in)
{
	return ((const struct statsd *)in)->epoll_fd;
}

/* Nothing is due by time but ticks. */
static int64_t
statsd_deadline(const void *in)
{
	(void)in;
	return INT64_MAX;
}

/* ---- turns ---- */

static unsigned
take_line(struct statsd *s, const char *p, size_t len)
{
	struct statsd_line l;
	const char *wanted;

	if (len > 0 && p[len - 1] == '\r')
		len--;
	if (len == 0)
		return 0;
	if (statsd_event_is(p, len)) {
		statsd_event_line(s, p, len);
		return WORK_PACKET;
	}
	if ((wanted = statsd_line_parse(p, len, &l)) == NULL) {
		if (l.at_unix_ms == 0)
			return statsd_series_take(&s->series, &l);
		statsd_event_line(s, p, len);
		return WORK_PACKET;
	}
	refuse_line(s, STATSD_BAD_LINES, wanted, (struct bl_str){ p, len });
	return 1;
}

/* Of a packet that was cut the last line is not whole, whatever it looks like. */
unsigned
statsd_take_packet(struct statsd *s, const char *p, size_t len, bool cut)
{
	struct bl_str rest = { p, len }, line;
	unsigned work = WORK_PACKET;

	s->series.count[STATSD_PACKETS]++;
	while (statsd_split(&rest, '\n', &line)) {
		if (rest.p != NULL || !cut)
			work += take_line(s, line.p, line.len);
		else
			statsd_refuse(
			    s, STATSD_TOO_LONG, "a packet of more than 8192 bytes is cut");
	}
	return work;
}

/* Some datagrams of one socket; how many.  Of those that are a lot of work each fewer are asked for
 * at once: between two calls the turn can end. */
static unsigned
take_some(struct statsd *s, int fd, unsigned *work)
{
	struct statsd_packets *p = s->packets;
	const int n = recvmmsg(fd, p->header, s->at_once, MSG_DONTWAIT, NULL);
	unsigned did = 0;

	if (n <= 0)
		return 0;
	for (int i = 0; i < n; i++)
		did += statsd_take_packet(s, p->data[i], p->header[i].msg_len,
		    (p->header[i].msg_hdr.msg_flags & MSG_TRUNC) != 0);
	if (did > WORK_MAX / 8)
		s->at_once = s->at_once > 2 ? s->at_once / 2 : 1;
	else if (s->at_once < STATSD_MESSAGES)
		s->at_once *= 2;
	*work += did;
	return (unsigned)n;
}

bool
statsd_turn_over(const struct statsd *s, unsigned work)
{
	return work >= WORK_MAX || bl_mono_ms(s->host->clock) >= s->until_mono_ms;
}

static void
statsd_serve(void *in)
{
	struct statsd *s = in;
	unsigned work = 0, idle = 0;

	s->until_mono_ms = bl_mono_ms(s->host->clock) + TURN_MS;
	if (s->streams)
		statsd_stream_look(s);
	/* A dozen of each in turn: a flood at one is nobody else's wait. */
	while (idle < s->n_sockets && !statsd_turn_over(s, work)) {
		const struct statsd_socket *socket = &s->socket[s->first % s->n_sockets];

		if ((socket->stream ? statsd_stream_turn(s, &work)
				    : take_some(s, socket->fd, &work)) == 0)
			idle++;
		else
			idle = 0;
		s->first = (s->first + 1) % s->n_sockets;
	}
	statsd_series_settle(&s->series);
}

/* Nobody was told of these. */
static void
look_at_drops(struct statsd *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < s->n_sockets; i++)
		n += s->socket[i].stream ? 0 : statsd_socket_drops(&s->socket[i]);
	s->series.count[STATSD_DROPPED_PACKETS] += n;
	if (n > 0)
		s->host->lost(s->host->ctx, BL_STREAM_HOST, n);
}

static void
statsd_tick(void *in, int64_t boot_ms)
{
	struct statsd *s = in;

	statsd_event_again(s);
	statsd_stream_listen_again(s);
	look_at_drops(s);
	statsd_series_tick(&s->series, boot_ms);
}

/* What waits in the kernel; who goes on sending is not waited for. */
static void
take_rest(struct statsd *s)
{
	for (unsigned i = 0; i < LAST_TURNS; i++) {
		const uint64_t before = s->series.count[STATSD_PACKETS];

		statsd_serve(s);
		if (s->series.count[STATSD_PACKETS] == before)
			return;
	}
}

/* What was sent until now is put as of now: there may be no other tick. */
static void
statsd_finish(void *in)
{
	struct statsd *s = in;
	int64_t boot_ms;

	if (s->n_sockets == 0)
		return;
	take_rest(s);
	look_at_drops(s);
	close_sockets(s);
	boot_ms = bl_boot_ms(s->host->clock);
	boot_ms += boot_ms == s->series.born_boot_ms; /* behind the zeros of what came just now */
	statsd_series_tick(&s->series, boot_ms);
	s->host->flush(s->host->ctx, boot_ms);
}

static void
statsd_done(void *in, uint64_t token, int rc)
{
	struct statsd *s = in;

	s->under_way--;
	if (rc >= 0) {
		s->series.count[(token & 1) != 0 ? STATSD_STAMPED : STATSD_EVENTS]++;
		s->series.count[STATSD_ACCEPTED]++;
	} else {
		statsd_refuse(s, (token & 1) != 0 ? STATSD_STAMPED_REFUSED : STATSD_EVENTS_REFUSED,
		    "it could not be stored");
	}
	statsd_event_again(s);
}

static unsigned
statsd_count(const void *in, struct inlet_count *out)
{
	const struct statsd *s = in;
	uint64_t refused[INTAKE_REASONS], stamped[INTAKE_REASONS] = { 0 };
	unsigned n = 0;

	for (unsigned i = 0; i < STATSD_COUNTS; i++)
		out[n++] = (struct inlet_count){ count_names[i], s->series.count[i],
			i >= STATSD_BAD_LINES };
	(void)intake_count(s->series.intake, refused);
	if (s->series.stamped != NULL)
		(void)intake_count(s->series.stamped, stamped);
	for (unsigned i = 0; i < INTAKE_REASONS; i++)
		out[n++] =
		    (struct inlet_count){ intake_reason_names[i], refused[i] + stamped[i], true };
	return n;
}
_Static_assert(STATSD_COUNTS + INTAKE_REASONS <= INLET_COUNTS_MAX, "all of them are shown");

const struct inlet_ops statsd_ops = { .name = "statsd",
	.open = statsd_open,
	.finish = statsd_finish,
	.close = statsd_close,
	.fd = statsd_fd,
	.deadline = statsd_deadline,
	.serve = statsd_serve,
	.tick = statsd_tick,
	.done = statsd_done,
	.count = statsd_count };
