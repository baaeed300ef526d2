/*
 * The terminal of `top`: raw keys and lines that are sent only when they have
 * changed, with the few control sequences that every terminal since the VT100
 * knows.  What was there comes back at the end.
 */
#ifndef TOP_TERM_H
#define TOP_TERM_H

#include "branchline/err.h"

#include "top.h"

struct top_term;

enum top_key {
	TOP_NOTHING, /* the time is over */
	TOP_QUIT,    /* q, Ctrl-C, SIGTERM, the terminal is gone */
	TOP_RESIZED,
	TOP_REDRAW, /* Ctrl-L */
	TOP_UP,
	TOP_DOWN,
	TOP_PAGE_UP,
	TOP_PAGE_DOWN,
	TOP_HOME,
	TOP_END,
	TOP_ESCAPE,
	TOP_ENTER,
	TOP_RUBOUT,
	TOP_TEXT, /* a printable character, in *c */
};

/* Takes the terminal over: standard input and output must be one. */
int top_term_open(struct top_term **out, struct bl_err *err);
/* As it was before.  NULL is fine. */
void top_term_close(struct top_term *t);
/* Its size now: 80x24 where it does not say. */
void top_term_size(const struct top_term *t, unsigned *rows, unsigned *cols);
/* So slow that a screen takes seconds (19,200 baud and less). */
bool top_term_slow(const struct top_term *t);
/* Puts a frame there; all: from scratch.  False: the line carries an earlier one still, try again.
 */
bool top_term_show(struct top_term *t, const struct top_frame *f, bool all);
/* Waits for a key for so long at most. */
enum top_key top_term_key(struct top_term *t, int64_t ms, char *c);

#endif
