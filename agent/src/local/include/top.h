/*
 * `branchline-agent top` without its terminal: what stands on the screen, line by
 * line.  Pure.
 *
 * Everything that comes from the agent or from other machines through it is
 * text and nothing else: what could steer a terminal (control characters,
 * marks that turn the direction of writing, broken UTF-8) becomes "?".
 */
#ifndef TOP_H
#define TOP_H

#include <jansson.h>

#include "branchline/buf.h"

#define TOP_COLS_MIN 40u
#define TOP_COLS_MAX 400u
#define TOP_ROWS_MIN 8u
#define TOP_ROWS_MAX 300u
#define TOP_FILTER   40u

struct top_view {
	/* Of the screen; rows 0: as many as there is to say; cols 0: nothing is cut. */
	unsigned rows, cols;
	unsigned scroll;     /* lines of the body above the screen */
	bool zh;             /* Chinese; needs utf8 */
	bool utf8;           /* the terminal shows more than ASCII */
	bool style;          /* bold and reverse */
	bool typing;         /* the filter is being typed */
	const char *filter;  /* words that a series must have; "": all */
	const char *lost;    /* why the agent does not answer any more; NULL: it does */
	int64_t lost_ms;     /* since when */
};

struct top_frame {
	struct bl_buf text; /* lines one after another, each terminated */
	unsigned n;         /* lines */
	unsigned body;      /* lines there are to scroll through */
	unsigned shown;     /* of these on the screen */
};

/* now: local_now.h; any JSON is survived.  f begins zeroed; free its text.  f->text.failed: too
 * much. */
void top_draw(const json_t *now, const struct top_view *v, struct top_frame *f);
/* Line i; it lives as long as f->text does. */
const char *top_line(const struct top_frame *f, unsigned i);

/* ---- text ---- */

/* Columns of the text as it is shown. */
unsigned top_width(const char *s, bool utf8);
/* Appends what fits into so many columns, made harmless.  Returns the columns it takes. */
unsigned top_fit(struct bl_buf *b, const char *s, unsigned cols, bool utf8);

#endif
