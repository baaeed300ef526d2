/* Lines on their way to the agent; see the header. */
#include "plugins_outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "branchline/log.h"

#include "inlet.h"

#define UNDER_WAY  16u   /* as many answers as the agent has of one client */
#define AGAIN_MS   100   /* until the next attempt to reach the agent; doubling */
#define AGAIN_MOST 10000 /* and no longer than this */
#define SILENT_MS  12000 /* it answers within 8 s */
#define HOUR_MS    3600000
#define ANSWER_MAX 1024u

struct item {
	struct item *next;
	size_t len; /* with the newline */
	bool event;
	char text[];
};

struct plugins_outbox {
	const struct bl_clock *clock;
	char *path;
	size_t cap, bytes;
	struct item *head, **tail;
	struct item *next; /* the first that is not under way; NULL: all are */
	unsigned under_way;
	size_t sent; /* bytes of next that are with the kernel already */
	int fd;      /* -1: not connected */
	int64_t retry_mono_ms, pause_ms, heard_mono_ms;
	char answer[ANSWER_MAX];
	size_t answered;  /* bytes of it */
	bool unreachable; /* told */
	struct plugins_outbox_counters n;
	struct bl_log_limit refused_limit, dropped_limit;
};

/* ---- what waits ---- */

int
plugins_outbox_open(struct plugins_outbox **out, const char *path, size_t cap_bytes,
    const struct bl_clock *clock, struct bl_err *err)
{
	struct plugins_outbox *o = calloc(1, sizeof(*o));

	*out = NULL;
	if (o == NULL || (o->path = strdup(path)) == NULL) {
		free(o);
		return bl_fail(err, BL_ENOMEM, "reports to %s: out of memory", path);
	}
	o->clock = clock;
	o->cap = cap_bytes;
	o->tail = &o->head;
	o->fd = -1;
	o->pause_ms = AGAIN_MS;
	*out = o;
	return BL_OK;
}

void
plugins_outbox_close(struct plugins_outbox *o)
{
	struct item *i;

	if (o == NULL)
		return;
	while ((i = o->head) != NULL) {
		o->head = i->next;
		free(i);
	}
	if (o->fd >= 0)
		(void)close(o->fd);
	free(o->path);
	free(o);
}

static size_t
weight(const struct item *i)
{
	return sizeof(*i) + i->len;
}

/* at points at what leads to the item. */
static void
take_out(struct plugins_outbox *o, struct item **at)
{
	struct item *i = *at;

	*at = i->next;
	if (o->tail == &i->next)
		o->tail = at;
	if (o->next == i)
		o->next = i->next;
	o->bytes -= weight(i);
	o->n.waiting--;
	free(i);
}

/* The oldest that is not with the agent, a value if there is one. */
static bool
drop_one(struct plugins_outbox *o)
{
	struct item **first = &o->head, **at;

	for (unsigned i = 0; i < o->under_way + (o->sent > 0); i++)
		first = &(*first)->next;
	for (at = first; *at != NULL && (*at)->event; at = &(*at)->next)
		;
	at = *at != NULL ? at : first;
	if (*at == NULL)
		return false;
	take_out(o, at);
	return true;
}

static void
dropped(struct plugins_outbox *o)
{
	unsigned swallowed;

	o->n.dropped++;
	if (bl_log_allow(&o->dropped_limit, bl_mono_ms(o->clock), HOUR_MS, &swallowed))
		bl_warn("plugins",
		    "the agent at %s takes no reports and %zu bytes of them wait: the oldest are "
		    "dropped dropped=%llu",
		    o->path, o->bytes, (unsigned long long)o->n.dropped);
}

void
plugins_outbox_put(struct plugins_outbox *o, const char *line, size_t len, bool event)
{
	struct item *i = malloc(sizeof(*i) + len + 1);

	if (i == NULL) {
		dropped(o);
		return;
	}
	i->next = NULL;
	i->len = len + 1;
	i->event = event;
	memcpy(i->text, line, len);
	i->text[len] = '\n';
	*o->tail = i;
	o->tail = &i->next;
	if (o->next == NULL)
		o->next = i;
	o->bytes += weight(i);
	o->n.waiting++;
	while (o->bytes > o->cap && drop_one(o))
		dropped(o);
}

/* ---- the connection ---- */

/* What has no answer is told again, with its ids, on the next one. */
static void
disconnect(struct plugins_outbox *o)
{
	if (o->fd >= 0)
		(void)close(o->fd);
	o->fd = -1;
	o->next = o->head;
	o->under_way = 0;
	o->sent = o->answered = 0;
	o->retry_mono_ms = bl_mono_ms(o->clock) + o->pause_ms;
	o->pause_ms = o->pause_ms < AGAIN_MOST / 2 ? 2 * o->pause_ms : AGAIN_MOST;
}

int
plugins_outbox_change(
    struct plugins_outbox *o, const char *path, size_t cap_bytes, struct bl_err *err)
{
	char *copy = strdup(path);

	if (copy == NULL)
		return bl_fail(err, BL_ENOMEM, "reports to %s: out of memory", path);
	o->pause_ms = AGAIN_MS;
	disconnect(o);
	free(o->path);
	o->path = copy;
	o->cap = cap_bytes;
	o->unreachable = false;
	while (o->bytes > o->cap && drop_one(o))
		dropped(o);
	return BL_OK;
}

static void
unreachable(struct plugins_outbox *o, const char *why)
{
	if (!o->unreachable)
		bl_warn("plugins", "the agent at %s cannot be told: %s; tried again", o->path, why);
	o->unreachable = true;
	disconnect(o);
}

static void
connect_to(struct plugins_outbox *o)
{
	struct sockaddr_un sa;
	struct bl_err err = { 0 };
	int dir_fd;

	if (inlet_address(o->path, &sa, &dir_fd, &err) < 0) {
		unreachable(o, err.msg);
		return;
	}
	o->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (o->fd < 0 || connect(o->fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
		unreachable(o, strerror(errno));
	else
		o->heard_mono_ms = bl_mono_ms(o->clock);
	if (dir_fd >= 0)
		(void)close(dir_fd);
}

static void
say(struct plugins_outbox *o)
{
	ssize_t n;

	while (o->next != NULL && o->under_way < UNDER_WAY) {
		n = send(o->fd, o->next->text + o->sent, o->next->len - o->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return; /* full; or gone, which reading will tell */
		if (o->under_way == 0)
			o->heard_mono_ms = bl_mono_ms(o->clock);
		o->sent += (size_t)n;
		if (o->sent < o->next->len)
			continue;
		o->sent = 0;
		o->next = o->next->next;
		o->under_way++;
	}
}

/* ---- answers ---- */

static void
refused(struct plugins_outbox *o, const char *answer)
{
	unsigned swallowed;

	o->n.refused++;
	if (bl_log_allow(&o->refused_limit, bl_mono_ms(o->clock), HOUR_MS, &swallowed))
		bl_warn("plugins", "the agent refuses a report, which is left out: %s refused=%llu",
		    answer, (unsigned long long)o->n.refused);
}

/* False: it is to be told again. */
static bool
take_answer(struct plugins_outbox *o, const char *answer)
{
	if (strcmp(answer, "ok") == 0 || strcmp(answer, "ok repeated") == 0) {
		o->n.told++;
		if (o->unreachable)
			bl_info("plugins", "the agent at %s takes reports", o->path);
		o->unreachable = false;
		o->pause_ms = AGAIN_MS;
	} else if (strncmp(answer, "error: not ", 11) == 0 ||
		   strncmp(answer, "error: too many connections", 27) == 0) {
		unreachable(o, answer);
		return false;
	} else {
		refused(o, answer);
	}
	o->under_way--;
	take_out(o, &o->head);
	return true;
}

/* Answers in the buffer, to the last whole one. */
static void
take_answers(struct plugins_outbox *o)
{
	char *nl;

	while (o->fd >= 0 && (nl = memchr(o->answer, '\n', o->answered)) != NULL) {
		const size_t len = (size_t)(nl - o->answer) + 1;

		*nl = '\0';
		if (o->under_way == 0) {
			unreachable(o, o->answer); /* said before it was asked: why it hangs up */
			return;
		}
		if (!take_answer(o, o->answer))
			return;
		o->answered -= len;
		memmove(o->answer, nl + 1, o->answered);
	}
	if (o->fd >= 0 && o->answered == sizeof(o->answer))
		unreachable(o, "its answer is none of this version");
}

static void
hear(struct plugins_outbox *o)
{
	ssize_t n;

	while (o->fd >= 0) {
		n = recv(o->fd, o->answer + o->answered, sizeof(o->answer) - o->answered, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n == 0 && o->under_way == 0) {
			disconnect(o); /* it lets go who is silent */
			return;
		}
		if (n <= 0) {
			unreachable(o, n == 0 ? "it hung up" : strerror(errno));
			return;
		}
		o->heard_mono_ms = bl_mono_ms(o->clock);
		o->answered += (size_t)n;
		take_answers(o);
	}
}

void
plugins_outbox_serve(struct plugins_outbox *o)
{
	const int64_t now = bl_mono_ms(o->clock);

	if (o->fd < 0 && o->head != NULL && now >= o->retry_mono_ms)
		connect_to(o);
	if (o->fd >= 0)
		say(o);
	hear(o);
	if (o->fd >= 0)
		say(o);
	if (o->fd >= 0 && o->under_way > 0 && now - o->heard_mono_ms >= SILENT_MS)
		unreachable(o, "it does not answer");
}

struct pollfd
plugins_outbox_poll(const struct plugins_outbox *o)
{
	struct pollfd p = { .fd = o->fd, .events = POLLIN };

	if (o->next != NULL && o->under_way < UNDER_WAY)
		p.events |= POLLOUT;
	return p;
}

int64_t
plugins_outbox_deadline(const struct plugins_outbox *o)
{
	if (o->head == NULL)
		return INT64_MAX;
	if (o->fd < 0)
		return o->retry_mono_ms;
	return o->under_way > 0 ? o->heard_mono_ms + SILENT_MS : INT64_MAX;
}

struct plugins_outbox_counters
plugins_outbox_count(const struct plugins_outbox *o)
{
	return o->n;
}
