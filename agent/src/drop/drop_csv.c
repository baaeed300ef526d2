/* CSV records and lines; see the header. */
#include "drop_csv.h"

#include <string.h>

struct cursor {
	const char *p, *end, *at;
	bool last; /* nothing comes behind end */
	char separator;
	char *scratch;
	size_t used; /* of scratch */
};

enum cell { CELL_NEXT, CELL_LAST, CELL_MORE, CELL_WRONG };

/* Behind a cell: the separator, a line break, the end. */
static enum cell
behind(struct cursor *c)
{
	if (c->at == c->end)
		return c->last ? CELL_LAST : CELL_MORE;
	if (*c->at == c->separator) {
		c->at++;
		return CELL_NEXT;
	}
	if (*c->at == '\r' && c->at + 1 < c->end && c->at[1] == '\n')
		c->at++;
	else if (*c->at == '\r' && c->at + 1 == c->end && c->last)
		return c->at++, CELL_LAST;
	else if (*c->at == '\r' && c->at + 1 == c->end)
		return CELL_MORE;
	if (*c->at != '\n')
		return CELL_WRONG;
	c->at++;
	return CELL_LAST;
}

static enum cell
quoted(struct cursor *c, struct bl_str *out, const char **why)
{
	char *const from = c->scratch + c->used;
	enum cell next;

	*why = "a quote that is not closed within 16384 bytes";
	for (c->at++; c->at < c->end && (size_t)(c->at - c->p) <= DROP_ROW_MAX; c->at++) {
		if (*c->at != '"') {
			c->scratch[c->used++] = *c->at;
			continue;
		}
		if (c->at + 1 == c->end && !c->last)
			return CELL_MORE;
		if (c->at + 1 == c->end || c->at[1] != '"')
			break;
		c->scratch[c->used++] = *c->at++;
	}
	if (c->at == c->end)
		return c->last ? CELL_WRONG : CELL_MORE;
	if (*c->at != '"')
		return CELL_WRONG;
	c->at++;
	*out = (struct bl_str){ from, (size_t)(c->scratch + c->used - from) };
	if ((next = behind(c)) == CELL_WRONG)
		*why = "expected a separator or the end of the line behind a closing quote";
	return next;
}

static enum cell
bare(struct cursor *c, struct bl_str *out)
{
	const char *const from = c->at;

	while (c->at < c->end && *c->at != c->separator && *c->at != '\n')
		c->at++;
	if (c->at == c->end && !c->last)
		return CELL_MORE;
	*out = (struct bl_str){ from, (size_t)(c->at - from) };
	if (c->at < c->end && *c->at == c->separator)
		return c->at++, CELL_NEXT;
	if (out->len > 0 && out->p[out->len - 1] == '\r')
		out->len--;
	c->at += c->at < c->end;
	return CELL_LAST;
}

static unsigned
breaks(const char *p, const char *end)
{
	unsigned n = 0;

	while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		n++;
		p++;
	}
	return n;
}

/* The line that p begins is passed over. */
static enum drop_csv
wrong(const char *p, size_t len, const char *why, struct drop_csv_row *row)
{
	const char *at = memchr(p, '\n', len);

	row->why = why;
	row->used = at != NULL ? (size_t)(at - p) + 1 : len;
	row->lines = at != NULL;
	row->rest = at == NULL;
	row->n = 0;
	return DROP_CSV_WRONG;
}

enum drop_csv
drop_csv_next(const char *p, size_t len, bool end, char separator, char scratch[DROP_ROW_MAX],
    struct drop_csv_row *row)
{
	struct cursor c = { p, p + len, p, end, separator, scratch, 0 };
	const char *why = "more than 256 cells";
	enum cell next = CELL_NEXT;

	row->n = 0;
	row->rest = false;
	while (next == CELL_NEXT && row->n < DROP_CELLS_MAX) {
		struct bl_str *cell = &row->cell[row->n++];

		next = c.at < c.end && *c.at == '"' ? quoted(&c, cell, &why) : bare(&c, cell);
	}
	if (next == CELL_LAST && (size_t)(c.at - p) <= DROP_ROW_MAX + 2) {
		row->used = (size_t)(c.at - p);
		row->lines = breaks(p, c.at);
		return DROP_CSV_ROW;
	}
	if (next == CELL_LAST || (next == CELL_MORE && len > DROP_ROW_MAX + 2))
		return wrong(p, len, "longer than 16384 bytes", row);
	return next == CELL_MORE ? DROP_CSV_MORE : wrong(p, len, why, row);
}

enum drop_csv
drop_line_next(const char *p, size_t len, bool end, struct drop_csv_row *row)
{
	const char *at = memchr(p, '\n', len);
	size_t n = at != NULL ? (size_t)(at - p) : len;

	row->rest = false;
	if (n > DROP_ROW_MAX + 1)
		return wrong(p, len, "longer than 16384 bytes", row);
	if (at == NULL && !end)
		return DROP_CSV_MORE;
	row->used = n + (at != NULL);
	row->lines = at != NULL;
	n -= n > 0 && p[n - 1] == '\r';
	row->n = 1;
	row->cell[0] = (struct bl_str){ p, n };
	return DROP_CSV_ROW;
}
