/*
 * The envelope that `logger -u` and other writers of syslog put a message in:
 *
 *   <13>Nov 28 10:00:00 [HOST] TAG[PID]: MESSAGE                     RFC 3164
 *   <13>1 2026-11-28T10:00:00+08:00 HOST APP PROC MSGID SD MESSAGE   RFC 5424
 *
 * Time and tag say when and by whom it was logged: the agent knows both as well.  Pure.
 */
#include "inlet_line.h"

#include <stdbool.h>
#include <string.h>

struct text {
	const char *p;
	size_t len, at;
};

static bool
digit(const struct text *t, size_t at)
{
	return at < t->len && t->p[at] >= '0' && t->p[at] <= '9';
}

/* Behind the next space; false: there is none. */
static bool
skip_word(struct text *t)
{
	const char *space = memchr(t->p + t->at, ' ', t->len - t->at);

	if (space == NULL)
		return false;
	t->at = (size_t)(space - t->p) + 1;
	return true;
}

/* "<13>" */
static bool
skip_priority(struct text *t)
{
	size_t at = 1;

	while (digit(t, at) && at < 4)
		at++;
	if (t->len == 0 || t->p[0] != '<' || at == 1 || at >= t->len || t->p[at] != '>')
		return false;
	t->at = at + 1;
	return true;
}

/* "-", or [id name="value" ...] one behind the other. */
static bool
skip_data(struct text *t)
{
	bool quoted = false;

	if (t->at < t->len && t->p[t->at] != '[')
		return skip_word(t);
	for (; t->at < t->len; t->at++) {
		const char ch = t->p[t->at];

		if (quoted && ch == '\\')
			t->at++;
		else if (ch == '"')
			quoted = !quoted;
		else if (ch == ']' && !quoted && t->at + 1 < t->len && t->p[t->at + 1] == ' ')
			return t->at += 2, true;
	}
	return false;
}

static bool
skip_5424(struct text *t)
{
	for (unsigned i = 0; i < 6; i++) /* version, time, host, program, process, message id */
		if (!skip_word(t))
			return false;
	if (!skip_data(t))
		return false;
	if (t->len - t->at >= 3 && memcmp(t->p + t->at, "\xef\xbb\xbf", 3) == 0)
		t->at += 3;
	return true;
}

/* "Nov 28 10:00:00 ", then perhaps a host, then perhaps "tag: ". */
static void
skip_3164(struct text *t)
{
	const size_t time = sizeof("Nov 28 10:00:00 ") - 1;
	struct text in;

	if (t->len - t->at >= time && t->p[t->at + 3] == ' ' && t->p[t->at + 9] == ':' &&
	    t->p[t->at + 12] == ':' && t->p[t->at + 15] == ' ')
		t->at += time;
	in = *t;
	for (unsigned words = 0; words < 2 && skip_word(&in); words++)
		if (in.p[in.at - 2] == ':') {
			t->at = in.at;
			return;
		}
}

size_t
inlet_line_message(const char *line, size_t len)
{
	struct text t = { line, len, 0 };

	if (!skip_priority(&t))
		return 0;
	if (digit(&t, t.at) && t.at + 1 < len && line[t.at + 1] == ' ')
		return skip_5424(&t) ? t.at : 0;
	skip_3164(&t);
	return t.at;
}
