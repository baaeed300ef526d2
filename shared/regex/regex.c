/*
 * Scanning: all threads of the program at once (Thompson, 1968).
 *
 * Between two bytes the threads are a set of steps; the closure over splits,
 * jumps and conditions is made when the next byte is known, since $ and \b ask
 * for it.  Every step is in a set once at most, so a byte costs at most one
 * visit of each step.
 */
#include "regex_internal.h"

#include <stdlib.h>
#include <string.h>

#define NO_BYTE (-1) /* before the text and behind it */

struct bl_regex_scan {
	const struct bl_regex *re;
	bool found;
	int before;    /* the byte before this place */
	uint32_t mark; /* of this closure */
	uint16_t n_next, n_ready;
	uint16_t *next;  /* steps to go on with, before their closure */
	uint16_t *ready; /* those of the closure that take a byte */
	uint16_t *stack;
	uint32_t *marked;
};

int
bl_regex_compile(struct bl_regex **out, const char *pattern, struct bl_err *err)
{
	struct bl_regex *re = calloc(1, sizeof(*re)), *small;
	int rc;

	*out = NULL;
	if (re == NULL)
		return bl_fail(err, BL_ENOMEM, "regular expression: out of memory");
	if ((rc = regex_fill(re, NULL, pattern, err)) < 0) {
		free(re);
		return rc;
	}
	small = realloc(re, sizeof(*re) - regex_spare(re));
	*out = small != NULL ? small : re;
	return BL_OK;
}

void
bl_regex_free(struct bl_regex *re)
{
	free(re);
}

/* ---- the set of threads ---- */

static bool
condition_holds(const struct bl_regex_scan *s, enum regex_op op, int next)
{
	switch (op) {
	case REGEX_LINE_BEGIN:
		return s->before == NO_BYTE || s->before == '\n';
	case REGEX_LINE_END:
		return next == NO_BYTE || next == '\n';
	case REGEX_WORD_EDGE:
		return regex_is_word(s->before) != regex_is_word(next);
	default:
		return regex_is_word(s->before) == regex_is_word(next);
	}
}

/* Marks a step when it is new to this closure, and puts it on the stack. */
static size_t
push(struct bl_regex_scan *s, size_t n, int pc)
{
	if (s->marked[pc] == s->mark)
		return n;
	s->marked[pc] = s->mark;
	s->stack[n] = (uint16_t)pc;
	return n + 1;
}

/* Adds a step and all that is reached from it without a byte to ready. */
static void
close_over(struct bl_regex_scan *s, int from, int next)
{
	size_t n = push(s, 0, from);

	while (n > 0) {
		const int pc = s->stack[--n];
		const struct regex_step *step = &s->re->step[pc];

		switch (step->op) {
		case REGEX_BYTE:
		case REGEX_SET:
			s->ready[s->n_ready++] = (uint16_t)pc;
			break;
		case REGEX_SPLIT:
			n = push(s, n, pc + step->y);
			n = push(s, n, pc + step->x);
			break;
		case REGEX_JUMP:
			n = push(s, n, pc + step->x);
			break;
		case REGEX_SAVE:
			n = push(s, n, pc + 1);
			break;
		case REGEX_FOUND:
			s->found = true;
			return;
		default:
			if (condition_holds(s, (enum regex_op)step->op, next))
				n = push(s, n, pc + 1);
			break;
		}
	}
}

static bool
takes(const struct bl_regex_scan *s, const struct regex_step *step, unsigned char c)
{
	return step->op == REGEX_BYTE ? step->c == c : regex_in_set(&s->re->set[step->x], c);
}

/* The closure at this place; a match may also begin here. */
static void
arrive(struct bl_regex_scan *s, int next)
{
	if (++s->mark == 0) { /* after 4 G bytes the marks begin anew */
		memset(s->marked, 0, s->re->n * sizeof(s->marked[0]));
		s->mark = 1;
	}
	s->n_ready = 0;
	for (unsigned i = 0; i < s->n_next && !s->found; i++)
		close_over(s, s->next[i], next);
	if (!s->found)
		close_over(s, 0, next);
}

static void
take(struct bl_regex_scan *s, unsigned char c)
{
	s->n_next = 0;
	for (unsigned i = 0; i < s->n_ready; i++) {
		const uint16_t pc = s->ready[i];

		if (takes(s, &s->re->step[pc], c))
			s->next[s->n_next++] = (uint16_t)(pc + 1);
	}
	s->before = c;
}

/* ---- what callers use ---- */

int
bl_regex_scan_create(struct bl_regex_scan **out, const struct bl_regex *re, struct bl_err *err)
{
	const size_t n = re->n;
	struct bl_regex_scan *s =
	    calloc(1, sizeof(*s) + n * (sizeof(*s->marked) + 3 * sizeof(*s->next)));

	*out = NULL;
	if (s == NULL)
		return bl_fail(err, BL_ENOMEM, "regular expression: out of memory");
	s->re = re;
	s->marked = (uint32_t *)(void *)(s + 1);
	s->next = (uint16_t *)(void *)(s->marked + n);
	s->ready = s->next + n;
	s->stack = s->ready + n;
	bl_regex_scan_begin(s);
	*out = s;
	return BL_OK;
}

void
bl_regex_scan_free(struct bl_regex_scan *s)
{
	free(s);
}

void
bl_regex_scan_begin(struct bl_regex_scan *s)
{
	s->found = false;
	s->before = NO_BYTE;
	s->n_next = 0;
}

/* How many bytes at data cannot begin a match. */
static size_t
dull(const struct bl_regex_scan *s, const char *data, size_t len)
{
	size_t n = 0;

	while (n < len) {
		if (regex_in_set(&s->re->begin, (unsigned char)data[n]))
			break;
		n++;
	}
	return n;
}

bool
bl_regex_scan_feed(struct bl_regex_scan *s, const char *data, size_t len)
{
	for (size_t i = 0; i < len && !s->found; i++) {
		if (s->n_next == 0 && !s->re->any_begin) {
			const size_t n = dull(s, data + i, len - i);

			i += n;
			if (n > 0)
				s->before = (unsigned char)data[i - 1];
			if (i == len)
				break;
		}
		arrive(s, (unsigned char)data[i]);
		if (!s->found)
			take(s, (unsigned char)data[i]);
	}
	return s->found;
}

bool
bl_regex_scan_end(struct bl_regex_scan *s)
{
	if (!s->found)
		arrive(s, NO_BYTE);
	return s->found;
}

bool
bl_regex_scan_text(struct bl_regex_scan *s, const char *data, size_t len)
{
	bl_regex_scan_begin(s);
	return bl_regex_scan_feed(s, data, len) || bl_regex_scan_end(s);
}
