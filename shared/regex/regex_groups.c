/*
 * Finding, with the places of groups: Pike's method.
 *
 * Threads stand in a list in the order in which a backtracker would try them;
 * each carries the places of its groups.  The first thread that comes to a step
 * at one place has it, so a step is in a list once at most; when a thread ends
 * the pattern, those behind it are dropped and those before it go on.
 */
#include "regex_internal.h"

#include <stdlib.h>
#include <string.h>

#define NO_BYTE (-1)
#define NOWHERE UINT16_MAX
#define SLOTS   (2 * BL_REGEX_GROUPS_MAX)
#define RESTORE UINT16_MAX /* in place of a step: slot gets its old place back */

_Static_assert(BL_REGEX_LINE_MAX < NOWHERE, "a place fits");
_Static_assert(BL_REGEX_PROGRAM_MAX < RESTORE, "a step is none");

struct bl_regex_groups {
	struct regex_names names;
	struct bl_regex re;
};

struct threads {
	unsigned n;
	uint16_t *pc;
	uint16_t *place; /* of groups: slots for each thread */
};

/* A step to go to, or what to put back when all behind a SAVE has been gone through. */
struct todo {
	uint16_t pc, slot, place;
};

struct bl_regex_finder {
	const struct bl_regex_groups *g;
	unsigned slots;
	uint32_t visits;
	uint32_t mark;
	const char *line;
	size_t len;
	struct threads now, next;
	uint32_t *marked;
	struct todo *todo;
	uint16_t place[SLOTS]; /* of the thread that is being followed */
	uint16_t found[SLOTS];
};

int
bl_regex_groups_compile(struct bl_regex_groups **out, const char *pattern, struct bl_err *err)
{
	struct bl_regex_groups *g = calloc(1, sizeof(*g)), *small;
	int rc;

	*out = NULL;
	if (g == NULL)
		return bl_fail(err, BL_ENOMEM, "regular expression: out of memory");
	if ((rc = regex_fill(&g->re, &g->names, pattern, err)) < 0) {
		free(g);
		return rc;
	}
	small = realloc(g, sizeof(*g) - regex_spare(&g->re));
	*out = small != NULL ? small : g;
	return BL_OK;
}

void
bl_regex_groups_free(struct bl_regex_groups *g)
{
	free(g);
}

unsigned
bl_regex_groups_count(const struct bl_regex_groups *g)
{
	return g->names.n;
}

const char *
bl_regex_groups_name(const struct bl_regex_groups *g, unsigned i)
{
	return g->names.name[i];
}

int
bl_regex_finder_create(
    struct bl_regex_finder **out, const struct bl_regex_groups *g, struct bl_err *err)
{
	const size_t n = g->re.n, slots = 2 * g->names.n;
	/* Each step is gone through once at a place and leaves two things to do at most. */
	const size_t todo = 2 * n + 2;
	struct bl_regex_finder *f =
	    calloc(1, sizeof(*f) + n * sizeof(*f->marked) + todo * sizeof(*f->todo) +
			  2 * n * (1 + slots) * sizeof(uint16_t));
	uint16_t *rest;

	*out = NULL;
	if (f == NULL)
		return bl_fail(err, BL_ENOMEM, "regular expression: out of memory");
	f->g = g;
	f->slots = (unsigned)slots;
	f->marked = (uint32_t *)(void *)(f + 1);
	f->todo = (struct todo *)(void *)(f->marked + n);
	rest = (uint16_t *)(void *)(f->todo + todo);
	f->now.pc = rest;
	f->next.pc = rest + n;
	f->now.place = rest + 2 * n;
	f->next.place = f->now.place + n * slots;
	*out = f;
	return BL_OK;
}

void
bl_regex_finder_free(struct bl_regex_finder *f)
{
	free(f);
}

static int
byte_at(const struct bl_regex_finder *f, size_t at)
{
	return at < f->len ? (unsigned char)f->line[at] : NO_BYTE;
}

static bool
condition_holds(const struct bl_regex_finder *f, enum regex_op op, size_t at)
{
	const int before = at == 0 ? NO_BYTE : byte_at(f, at - 1), next = byte_at(f, at);

	switch (op) {
	case REGEX_LINE_BEGIN:
		return before == NO_BYTE || before == '\n';
	case REGEX_LINE_END:
		return next == NO_BYTE || next == '\n';
	case REGEX_WORD_EDGE:
		return regex_is_word(before) != regex_is_word(next);
	default:
		return regex_is_word(before) == regex_is_word(next);
	}
}

static void
add(struct bl_regex_finder *f, struct threads *to, unsigned pc)
{
	to->pc[to->n] = (uint16_t)pc;
	memcpy(to->place + (size_t)to->n * f->slots, f->place, f->slots * sizeof(f->place[0]));
	to->n++;
}

/* Adds all that is reached from a step without a byte, in its order; f->place is where its
 * groups are, and is as before afterwards. */
static void
close_over(struct bl_regex_finder *f, struct threads *to, unsigned from, size_t at)
{
	struct todo *todo = f->todo;
	size_t n = 0;

	todo[n++] = (struct todo){ (uint16_t)from, 0, 0 };
	while (n > 0) {
		const struct todo t = todo[--n];
		const struct regex_step *step = &f->g->re.step[t.pc == RESTORE ? 0 : t.pc];

		if (t.pc == RESTORE) {
			f->place[t.slot] = t.place;
			continue;
		}
		if (f->marked[t.pc] == f->mark)
			continue;
		f->marked[t.pc] = f->mark;
		f->visits++;
		switch (step->op) {
		case REGEX_BYTE:
		case REGEX_SET:
		case REGEX_FOUND:
			add(f, to, t.pc);
			break;
		case REGEX_SPLIT:
			todo[n++] = (struct todo){ (uint16_t)(t.pc + step->y), 0, 0 };
			todo[n++] = (struct todo){ (uint16_t)(t.pc + step->x), 0, 0 };
			break;
		case REGEX_JUMP:
			todo[n++] = (struct todo){ (uint16_t)(t.pc + step->x), 0, 0 };
			break;
		case REGEX_SAVE:
			todo[n++] = (struct todo){ RESTORE, (uint16_t)step->x, f->place[step->x] };
			todo[n++] = (struct todo){ (uint16_t)(t.pc + 1), 0, 0 };
			f->place[step->x] = (uint16_t)at;
			break;
		default:
			if (condition_holds(f, (enum regex_op)step->op, at))
				todo[n++] = (struct todo){ (uint16_t)(t.pc + 1), 0, 0 };
			break;
		}
	}
}

static void
mark_next(struct bl_regex_finder *f)
{
	if (++f->mark == 0) {
		memset(f->marked, 0, f->g->re.n * sizeof(f->marked[0]));
		f->mark = 1;
	}
}

/* One byte (or the end) for every thread.  True: one of them ended the pattern. */
static bool
advance(struct bl_regex_finder *f, size_t at)
{
	const struct bl_regex *re = &f->g->re;
	const int c = byte_at(f, at);
	bool found = false;

	f->next.n = 0;
	mark_next(f);
	for (unsigned i = 0; i < f->now.n && !found; i++) {
		const unsigned pc = f->now.pc[i];
		const struct regex_step *step = &re->step[pc];

		memcpy(
		    f->place, f->now.place + (size_t)i * f->slots, f->slots * sizeof(f->place[0]));
		f->visits++;
		if (step->op == REGEX_FOUND) {
			memcpy(f->found, f->place, sizeof(f->found));
			found = true;
		} else if (c != NO_BYTE && (step->op == REGEX_BYTE ? step->c == c
								   : regex_in_set(&re->set[step->x],
									 (unsigned char)c))) {
			close_over(f, &f->next, pc + 1, at + 1);
		}
	}
	return found;
}

static void
swap(struct bl_regex_finder *f)
{
	const struct threads now = f->now;

	f->now = f->next;
	f->next = now;
}

/* 1 found, 0 not, BL_EFULL. */
static int
run(struct bl_regex_finder *f)
{
	const struct bl_regex *re = &f->g->re;
	bool found = false;

	f->now.n = 0;
	f->visits = 0;
	mark_next(f);
	for (size_t at = 0; at <= f->len; at++) {
		if (f->now.n == 0 && found)
			break;
		if (f->now.n == 0 && !re->any_begin) {
			while (at < f->len && !regex_in_set(&re->begin, (unsigned char)f->line[at]))
				at++;
			if (at == f->len)
				break;
			mark_next(f); /* a condition that failed where we were may hold here */
		}
		if (!found) { /* a match may also begin here: after all that began before */
			memset(f->place, 0xff, sizeof(f->place));
			close_over(f, &f->now, 0, at);
		}
		found = advance(f, at) || found;
		swap(f);
		if (f->visits > BL_REGEX_VISITS_MAX)
			return BL_EFULL;
	}
	return found;
}

int
bl_regex_find(struct bl_regex_finder *f, const char *line, size_t len,
    struct bl_regex_span span[BL_REGEX_GROUPS_MAX])
{
	int rc;

	if (len > BL_REGEX_LINE_MAX)
		return BL_EFULL;
	f->line = line;
	f->len = len;
	if ((rc = run(f)) != 1)
		return rc;
	for (unsigned i = 0; i < f->g->names.n; i++) {
		const bool took_part = f->found[2 * i] != NOWHERE && f->found[2 * i + 1] != NOWHERE;

		span[i].begin = took_part ? f->found[2 * i] : -1;
		span[i].end = took_part ? f->found[2 * i + 1] : -1;
	}
	return 1;
}
