/* Reports under way to the disk, and the answers that wait for them. */
#include "inlet_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PROBLEM_MAX 144 /* bytes of a reason in an answer */

void
answer_put(struct answer *a, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(a->text, sizeof(a->text) - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	if ((size_t)n > sizeof(a->text) - 2)
		n = (int)sizeof(a->text) - 2; /* no message of ours is so long */
	a->text[n] = '\n';
	a->len = (uint16_t)(n + 1);
	a->state = ANSWER_READY;
}

static struct answer *
answer_of(struct inlet *in, struct whose w)
{
	return w.client == INLET_DATAGRAMS ? datagrams_answer(in, w.slot)
					   : &in->client[w.client]->ring[w.slot];
}

/* A client's goes out with its turn. */
static void
answered(struct inlet *in, struct whose w)
{
	if (w.client == INLET_DATAGRAMS)
		datagrams_answered(in, w.slot);
}

bool
flight_room(const struct inlet *in, size_t bytes)
{
	return in->n_flights < INLET_FLIGHTS && in->flight_bytes + bytes <= INLET_FLIGHT_BYTES;
}

static struct flight *
free_place(struct inlet *in, unsigned *at)
{
	for (*at = 0; *at < INLET_FLIGHTS; (*at)++)
		if (!in->flight[*at].used)
			return &in->flight[*at];
	return NULL;
}

/* The sink's reason, in brackets behind a space, short enough for an answer, in plain ASCII. */
static void
problem(const struct inlet *in, char *out, size_t size)
{
	char text[PROBLEM_MAX] = "";

	in->sink.problem(in->sink.ctx, text, sizeof(text));
	for (char *p = text; *p != '\0'; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
	(void)snprintf(out, size, text[0] != '\0' ? " (%s)" : "%s", text);
}

static void
not_stored(struct inlet *in, struct answer *a)
{
	char why[PROBLEM_MAX + 8];

	problem(in, why, sizeof(why));
	in->count.not_stored++;
	answer_put(a,
	    "error: not stored: what came before still waits for the disk%s; try again later", why);
}

/* Never 0, and never one of an inlet that was here before: rounds begin at random. */
static uint64_t
token_of(uint32_t round, unsigned at)
{
	return ((UINT64_C(1) << 32) + round) * INLET_FLIGHTS + at;
}

void
flight_begin(struct inlet *in, struct whose whose, size_t bytes)
{
	struct answer *a = answer_of(in, whose);
	struct bl_err err = { 0 };
	struct flight *f = NULL;
	unsigned at;
	int rc = BL_EFULL;

	/* Where one waits in vain, more of them would only push samples out of memory. */
	if (in->n_late == 0 && (f = free_place(in, &at)) != NULL) {
		f->round++;
		rc = in->sink.report(in->sink.ctx, &in->line.r, token_of(f->round, at), &err);
	}
	if (rc == BL_EINVAL) {
		*(err.code == BL_EFULL ? &in->count.too_many_series : &in->count.bad_lines) += 1;
		answer_put(a, "error: %s", err.msg);
	} else if (rc < 0) {
		not_stored(in, a);
	}
	if (rc < 0) {
		answered(in, whose);
		return;
	}
	a->state = ANSWER_WAITS;
	f->used = true;
	f->late = false;
	f->whose = whose;
	f->bytes = (uint32_t)bytes;
	f->deadline_mono_ms = bl_mono_ms(in->clock) + in->answer_ms;
	in->n_flights++;
	in->flight_bytes += bytes;
}

void
inlet_done(struct inlet *in, uint64_t token, int rc)
{
	struct flight *f = &in->flight[token % INLET_FLIGHTS];
	struct answer *a;

	if (!f->used || token != token_of(f->round, (unsigned)(token % INLET_FLIGHTS)))
		return;
	f->used = false;
	in->n_flights--;
	in->n_late -= f->late;
	in->flight_bytes -= f->bytes;
	in->due = true;
	datagrams_again(in);
	if (f->late)
		return;
	a = answer_of(in, f->whose);
	if (rc == 0) {
		in->count.accepted++;
		answer_put(a, "ok");
	} else if (rc > 0) {
		in->count.repeated++;
		answer_put(a, "ok repeated");
	} else {
		char why[PROBLEM_MAX + 8];

		problem(in, why, sizeof(why));
		in->count.not_stored++;
		answer_put(a, "error: not stored: %s%s; try again later",
		    rc == BL_EFULL ? "disk and memory are full" : "the agent could not write it",
		    why);
	}
	answered(in, f->whose);
}

void
flight_expire(struct inlet *in, int64_t now)
{
	char why[PROBLEM_MAX + 8];

	for (unsigned i = 0; i < INLET_FLIGHTS; i++) {
		struct flight *f = &in->flight[i];

		if (!f->used || f->late || f->deadline_mono_ms > now)
			continue;
		problem(in, why, sizeof(why));
		f->late = true;
		in->n_late++;
		in->count.late++;
		answer_put(answer_of(in, f->whose),
		    "error: not on disk after %" PRId64
		    " s%s; it waits in memory and is stored when that works, unless the agent ends "
		    "first: say it again with the same id to be sure",
		    in->answer_ms / 1000, why);
		answered(in, f->whose);
	}
}
