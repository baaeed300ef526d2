/*
 * Reports to the Branchline agent of this machine, from C (C99) and C++ (11): one header, nothing
 * to link.
 *
 *   #include "branchline.h"            before other headers when the compiler runs with -std=c99
 *
 *   struct branchline b;
 *   branchline_open(&b, NULL);
 *   if (branchline_step_begin(&b, "4711", "review", NULL) < 0)
 *           fprintf(stderr, "%s\n", b.error);
 *   branchline_close(&b);
 *
 * Every function says one report and waits for the agent's answer: at least 0, it is on the agent's
 * disk; below, it is not, and b.error says why.  Every report has an id (b.id), made here unless
 * you give one, so that a report whose answer was lost is said again and is there once.  Whoever
 * gets BRANCHLINE_FAILED may do the same later: the same report with the id out of b.id.
 *
 * Nothing is allocated.  One struct for one thread; a process that forks opens its own.  Texts are
 * UTF-8.
 */
#ifndef BRANCHLINE_H
#define BRANCHLINE_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BRANCHLINE_LINE_MAX   4096  /* bytes of a report as the agent reads it */
#define BRANCHLINE_TIMEOUT_MS 12000 /* the agent answers within 8 s */

enum branchline_result {
	BRANCHLINE_ACCEPTED = 0, /* on disk */
	BRANCHLINE_REPEATED = 1, /* was there already: this id was taken before */
	BRANCHLINE_REFUSED = -1, /* is wrong, and is refused whenever it is said */
	BRANCHLINE_FAILED = -2   /* not stored, or no answer: may be said again with the same id */
};

struct branchline {
	int timeout_ms;   /* for one report, all attempts together; yours to change */
	int wait_ms;      /* how much of it to wait for an agent that is not there: 0, not at all */
	char id[65];      /* of the last report */
	char error[1400]; /* why the last report was not taken */
	char socket[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd; /* -1: not connected */
};

enum branchline_type { BRANCHLINE_TEXT, BRANCHLINE_NUMBER, BRANCHLINE_FLAG };

struct branchline_attribute {
	const char *name;
	enum branchline_type type;
	const char *text;
	double number; /* a flag: 0 is false */
};

/* What may be said beside case and step; NULL and 0: not said. */
struct branchline_more {
	const char *process; /* as it is called at the centre */
	const char *id;      /* at most 64 bytes */
	const char *at;      /* 2026-11-28T10:00:00+08:00, or seconds since 1970; else it is now */
	const struct branchline_attribute
	    *attribute; /* of a metric: its labels, all of them texts */
	size_t n_attributes;
};

static inline struct branchline_attribute
branchline_text(const char *name, const char *text)
{
	struct branchline_attribute a = { name, BRANCHLINE_TEXT, text, 0 };

	return a;
}

static inline struct branchline_attribute
branchline_number(const char *name, double number)
{
	struct branchline_attribute a = { name, BRANCHLINE_NUMBER, NULL, number };

	return a;
}

static inline struct branchline_attribute
branchline_flag(const char *name, int flag)
{
	struct branchline_attribute a = { name, BRANCHLINE_FLAG, NULL, flag != 0 ? 1.0 : 0.0 };

	return a;
}

/* ---- the line ---- */

struct branchline_i_line {
	struct branchline *b;
	const char *verb;
	size_t len;
	int wrong;
	char text[BRANCHLINE_LINE_MAX + 1]; /* its newline, too */
};

static inline void
branchline_i_wrong(struct branchline_i_line *l, const char *why, const char *what)
{
	if (!l->wrong)
		(void)snprintf(l->b->error, sizeof(l->b->error), "%s: %s%.80s", l->verb, why, what);
	l->wrong = 1;
}

static inline void
branchline_i_bytes(struct branchline_i_line *l, const char *p, size_t n)
{
	if (n > BRANCHLINE_LINE_MAX - l->len) {
		branchline_i_wrong(l, "the report is longer than 4096 bytes", "");
		return;
	}
	memcpy(l->text + l->len, p, n);
	l->len += n;
}

static inline void
branchline_i_quoted(struct branchline_i_line *l, const char *text)
{
	static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";

	branchline_i_bytes(l, "\"", 1);
	for (; *text != '\0' && !l->wrong; text++) {
		const char *which = strchr(from, *text);
		char two[2];

		two[0] = '\\';
		two[1] = which != NULL ? to[which - from] : *text;
		branchline_i_bytes(l, which != NULL ? two : two + 1, which != NULL ? 2 : 1);
	}
	branchline_i_bytes(l, "\"", 1);
}

static inline void
branchline_i_word(struct branchline_i_line *l, const char *word)
{
	branchline_i_bytes(l, " ", 1);
	branchline_i_quoted(l, word != NULL ? word : "");
}

static inline void
branchline_i_pair(struct branchline_i_line *l, const char *name, const char *text)
{
	if (text == NULL)
		return;
	branchline_i_bytes(l, " ", 1);
	branchline_i_bytes(l, name, strlen(name));
	branchline_i_bytes(l, "=", 1);
	branchline_i_quoted(l, text);
}

/* As JSON writes it, whatever the locale's decimal point is. */
static inline void
branchline_i_number(struct branchline_i_line *l, const char *name, double number)
{
	char text[64];
	size_t n = 0;

	if (!(number - number == 0)) {
		branchline_i_wrong(l, "not a finite number: ", name);
		return;
	}
	(void)snprintf(text, sizeof(text), "%.15g", number);
	if (strtod(text, NULL) != number)
		(void)snprintf(text, sizeof(text), "%.17g", number);
	for (const char *p = text; *p != '\0'; p++) {
		if (strchr("+-0123456789e", *p) != NULL)
			text[n++] = *p;
		else if (n > 0 && text[n - 1] != '.')
			text[n++] = '.';
	}
	branchline_i_bytes(l, text, n);
}

/* A name of its own: one that the agent understands, and that means nothing else to it. */
static inline void
branchline_i_name(struct branchline_i_line *l, const char *name)
{
	static const char *const of_all[] = { "id", "at", NULL };
	static const char *const of_cases[] = { "process", "case", "step", NULL };
	static const char *const of_metrics[] = { "unit", "kind", NULL };
	static const char *const none[] = { NULL };
	const char *const *more = l->verb[0] == 'm'   ? of_metrics
				  : l->verb[0] == 'e' ? none
						      : of_cases;
	int bad = name == NULL || *name == '\0';

	for (const char *p = name; !bad && *p != '\0'; p++)
		bad = (unsigned char)*p <= ' ' || *p == '=' || *p == '"' || *p == 0x7f;
	if (bad) {
		branchline_i_wrong(l, "a name is a text without space, = and quotes, not ",
		    name != NULL ? name : "nothing");
		return;
	}
	for (int i = 0; i < 2; i++)
		for (const char *const *p = i == 0 ? of_all : more; *p != NULL; p++)
			if (strcmp(name, *p) == 0)
				branchline_i_wrong(l, "this name has a meaning of its own: ", name);
}

static inline void
branchline_i_attribute(struct branchline_i_line *l, const struct branchline_attribute *a)
{
	branchline_i_name(l, a->name);
	if (l->wrong)
		return;
	if (a->type == BRANCHLINE_TEXT) {
		branchline_i_pair(l, a->name, a->text != NULL ? a->text : "");
		return;
	}
	branchline_i_bytes(l, " ", 1);
	branchline_i_bytes(l, a->name, strlen(a->name));
	branchline_i_bytes(l, "=", 1);
	if (a->type == BRANCHLINE_NUMBER)
		branchline_i_number(l, a->name, a->number);
	else
		branchline_i_bytes(l, a->number != 0 ? "true" : "false", a->number != 0 ? 4 : 5);
}

/* 32 hexadecimal digits by chance. */
static inline void
branchline_i_make_id(struct branchline_i_line *l)
{
	unsigned char raw[16];
	const int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd >= 0 ? read(fd, raw, sizeof(raw)) : -1;

	if (fd >= 0)
		(void)close(fd);
	if (n != (ssize_t)sizeof(raw)) {
		branchline_i_wrong(
		    l, "no id can be made, give one: /dev/urandom: ", strerror(errno));
		return;
	}
	for (size_t i = 0; i < sizeof(raw); i++)
		(void)snprintf(l->b->id + 2 * i, 3, "%02x", raw[i]);
}

static inline void
branchline_i_begin(struct branchline_i_line *l, struct branchline *b, const char *verb)
{
	l->b = b;
	l->verb = verb;
	l->len = 0;
	l->wrong = 0;
	b->error[0] = '\0';
	b->id[0] = '\0';
	branchline_i_bytes(l, verb, strlen(verb));
}

static inline void
branchline_i_more(struct branchline_i_line *l, const struct branchline_more *more)
{
	if (more != NULL && more->id != NULL) {
		if (strlen(more->id) >= sizeof(l->b->id))
			branchline_i_wrong(l, "an id has at most 64 bytes, not ", more->id);
		else
			memcpy(l->b->id, more->id, strlen(more->id) + 1);
	} else if (!l->wrong) {
		branchline_i_make_id(l);
	}
	branchline_i_pair(l, "id", l->b->id);
	if (more == NULL)
		return;
	branchline_i_pair(l, "process", more->process);
	branchline_i_pair(l, "at", more->at);
	for (size_t i = 0; i < more->n_attributes && !l->wrong; i++)
		branchline_i_attribute(l, &more->attribute[i]);
}

/* ---- the agent ---- */

/* How an attempt ended. */
enum branchline_i_end {
	BRANCHLINE_I_DONE,
	BRANCHLINE_I_NOTHING, /* the agent has nothing of it */
	BRANCHLINE_I_UNKNOWN  /* it may have it */
};

static inline long long
branchline_i_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static inline void
branchline_close(struct branchline *b)
{
	if (b->fd >= 0)
		(void)close(b->fd);
	b->fd = -1;
}

static inline enum branchline_i_end
branchline_i_end_of(struct branchline *b, enum branchline_i_end end, const char *verb,
    const char *before, const char *after)
{
	branchline_close(b);
	(void)snprintf(b->error, sizeof(b->error), "%s: %s %s%s", verb, before, b->socket, after);
	return end;
}

static inline enum branchline_i_end
branchline_i_no_agent(struct branchline *b, const char *verb, int error)
{
	char why[128];

	if (error == EACCES || error == EPERM)
		return branchline_i_end_of(b, BRANCHLINE_I_NOTHING, verb,
		    "not allowed to report at",
		    ": inlets.steps of the agent's configuration says who is");
	if (error == EAGAIN)
		return branchline_i_end_of(
		    b, BRANCHLINE_I_NOTHING, verb, "the agent is too busy at", "");
	(void)snprintf(why, sizeof(why), " (%s): is it running?", strerror(error));
	return branchline_i_end_of(b, BRANCHLINE_I_NOTHING, verb, "no agent takes reports at", why);
}

static inline int
branchline_i_connect(struct branchline *b, long long deadline)
{
	struct sockaddr_un sa;
	struct timeval tv;
	long long ms = deadline - branchline_i_now_ms();

	memset(&sa, 0, sizeof(sa));
	memset(&tv, 0, sizeof(tv));
	sa.sun_family = AF_UNIX;
	memcpy(sa.sun_path, b->socket, sizeof(sa.sun_path));
	if (ms < 1)
		ms = 1;
	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	if ((b->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
		return -1;
	(void)setsockopt(b->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	return connect(b->fd, (const struct sockaddr *)&sa, sizeof(sa));
}

/* Waits until the connection can be read or written: 1; 0: not in time. */
static inline int
branchline_i_ready(struct branchline *b, short events, long long deadline)
{
	struct pollfd p;
	long long left;
	int n;

	do {
		if ((left = deadline - branchline_i_now_ms()) <= 0)
			return 0;
		p.fd = b->fd;
		p.events = events;
		p.revents = 0;
		n = poll(&p, 1, (int)left);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

/* The bytes that were taken: all, unless it went away or does not listen. */
static inline size_t
branchline_i_say(struct branchline *b, const struct branchline_i_line *l, long long deadline)
{
	size_t at = 0;

	while (at < l->len && branchline_i_ready(b, POLLOUT, deadline)) {
		const ssize_t n =
		    send(b->fd, l->text + at, l->len - at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			break;
		at += n > 0 ? (size_t)n : 0;
	}
	return at;
}

/* One line of answer, without its newline: 1; 0: none in time; -1: it went away. */
static inline int
branchline_i_hear(struct branchline *b, char *answer, size_t size, long long deadline)
{
	size_t len = 0;

	for (;;) {
		char *end;
		ssize_t n;

		if (!branchline_i_ready(b, POLLIN, deadline))
			return 0;
		n = recv(b->fd, answer + len, size - 1 - len, MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return -1;
		len += (size_t)n;
		answer[len] = '\0';
		if ((end = strchr(answer, '\n')) != NULL) {
			*end = '\0';
			return 1;
		}
		if (len == size - 1) { /* its rest would be taken for the next one's */
			branchline_close(b);
			return 1;
		}
	}
}

static inline enum branchline_i_end
branchline_i_judge(
    struct branchline *b, const struct branchline_i_line *l, const char *answer, int *result)
{
	const char *why = strncmp(answer, "error: ", 7) == 0 ? answer + 7 : answer;

	if (strcmp(answer, "ok") == 0 || strcmp(answer, "ok repeated") == 0) {
		*result = answer[2] == '\0' ? BRANCHLINE_ACCEPTED : BRANCHLINE_REPEATED;
		b->error[0] = '\0';
		return BRANCHLINE_I_DONE;
	}
	(void)snprintf(b->error, sizeof(b->error), "%s: %s", l->verb, why);
	if (strncmp(why, "not on disk", 11) == 0 || why == answer)
		return BRANCHLINE_I_UNKNOWN;
	if (strncmp(why, "not stored", 10) == 0 || strncmp(why, "too many connections", 20) == 0)
		return BRANCHLINE_I_NOTHING;
	*result = BRANCHLINE_REFUSED;
	return BRANCHLINE_I_DONE;
}

static inline enum branchline_i_end
branchline_i_attempt(
    struct branchline *b, const struct branchline_i_line *l, long long deadline, int *result)
{
	enum branchline_i_end end;
	char answer[1024];
	size_t said;
	int heard;

	if (b->fd < 0 && branchline_i_connect(b, deadline) != 0)
		return branchline_i_no_agent(b, l->verb, errno);
	said = branchline_i_say(b, l, deadline);
	/* It may have said why before it closed. */
	heard = branchline_i_hear(b, answer, sizeof(answer), deadline);
	if (heard <= 0)
		return branchline_i_end_of(b,
		    said == l->len ? BRANCHLINE_I_UNKNOWN : BRANCHLINE_I_NOTHING, l->verb,
		    heard == 0 ? "no answer in time from the agent at" : "the agent went away at",
		    "");
	end = branchline_i_judge(b, l, answer, result);
	if (end != BRANCHLINE_I_DONE)
		branchline_close(b);
	return end;
}

static inline int
branchline_i_failed(struct branchline *b, int unknown)
{
	const size_t used = strlen(b->error);

	(void)snprintf(b->error + used, sizeof(b->error) - used, "; %s",
	    unknown ? "whether it has the report is not known: say it again with the same id"
		    : "nothing was stored");
	return BRANCHLINE_FAILED;
}

/* Says it until there is an answer: as long as the limits allow. */
static inline int
branchline_i_tell(struct branchline_i_line *l)
{
	struct branchline *b = l->b;
	const long long start = branchline_i_now_ms(), deadline = start + b->timeout_ms;
	const struct timespec pause = { 0, 20000000 };
	/* A connection from earlier may have died long ago: that says nothing of the agent. */
	int kept = b->fd >= 0, unknown = 0, result = BRANCHLINE_FAILED;

	if (l->wrong)
		return BRANCHLINE_REFUSED;
	l->text[l->len++] = '\n';
	for (;; kept = 0) {
		const enum branchline_i_end end = branchline_i_attempt(b, l, deadline, &result);
		const long long now = branchline_i_now_ms();

		if (end == BRANCHLINE_I_DONE)
			return result;
		unknown |= end == BRANCHLINE_I_UNKNOWN;
		if (now >= deadline || (!kept && !unknown && now >= start + b->wait_ms))
			return branchline_i_failed(b, unknown);
		if (!kept)
			(void)nanosleep(&pause, NULL);
	}
}

/* ---- what there is to report ---- */

/* socket NULL: $BRANCHLINE_SOCKET, or where the agent has it by default. */
static inline void
branchline_open(struct branchline *b, const char *socket)
{
	static const char run[] = "/run/branchline-agent/steps.sock";

	memset(b, 0, sizeof(*b));
	b->fd = -1;
	b->timeout_ms = BRANCHLINE_TIMEOUT_MS;
	if (socket == NULL)
		socket = getenv("BRANCHLINE_SOCKET");
	if (socket == NULL || *socket == '\0')
		socket = access(run, F_OK) == 0 ? run : "/var/lib/branchline-agent/steps.sock";
	/* One that is too long is cut, and nobody is there. */
	(void)snprintf(b->socket, sizeof(b->socket), "%s", socket);
}

static inline int
branchline_i_step(struct branchline *b, const char *verb, const char *case_id, const char *step,
    const struct branchline_more *more)
{
	struct branchline_i_line l;

	branchline_i_begin(&l, b, verb);
	branchline_i_word(&l, case_id);
	if (step != NULL)
		branchline_i_word(&l, step);
	branchline_i_more(&l, more);
	return branchline_i_tell(&l);
}

/* Step `step` of a case begins.  more may be NULL, here and below. */
static inline int
branchline_step_begin(
    struct branchline *b, const char *case_id, const char *step, const struct branchline_more *more)
{
	return branchline_i_step(b, "step begin", case_id, step != NULL ? step : "", more);
}

static inline int
branchline_step_end(
    struct branchline *b, const char *case_id, const char *step, const struct branchline_more *more)
{
	return branchline_i_step(b, "step end", case_id, step != NULL ? step : "", more);
}

/* Something happened in a case; step may be NULL. */
static inline int
branchline_step_event(
    struct branchline *b, const char *case_id, const char *step, const struct branchline_more *more)
{
	return branchline_i_step(b, "step event", case_id, step, more);
}

/* What became of a case; status may be NULL. */
static inline int
branchline_case(struct branchline *b, const char *case_id, const char *status,
    const struct branchline_more *more)
{
	struct branchline_i_line l;

	branchline_i_begin(&l, b, "case");
	branchline_i_word(&l, case_id);
	branchline_i_pair(&l, "status", status);
	branchline_i_more(&l, more);
	return branchline_i_tell(&l);
}

/* Something of this type happened, of no case. */
static inline int
branchline_event(struct branchline *b, const char *type, const struct branchline_more *more)
{
	struct branchline_i_line l;

	branchline_i_begin(&l, b, "event");
	branchline_i_word(&l, type);
	branchline_i_more(&l, more);
	return branchline_i_tell(&l);
}

/* A value; unit and kind ("gauge" or "counter", which only grows) may be NULL. */
static inline int
branchline_metric(struct branchline *b, const char *name, double value, const char *unit,
    const char *kind, const struct branchline_more *more)
{
	struct branchline_i_line l;

	branchline_i_begin(&l, b, "metric");
	branchline_i_word(&l, name);
	branchline_i_bytes(&l, " ", 1);
	branchline_i_number(&l, "the value", value);
	branchline_i_pair(&l, "unit", unit);
	branchline_i_pair(&l, "kind", kind);
	branchline_i_more(&l, more);
	return branchline_i_tell(&l);
}

#endif
