/*
 * See csv.h.  The text is taken apart where it lies: fields lose their quotes in place and
 * get a NUL at their end.
 */
#include "csv.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "branchline/buf.h"

#include "files.h"

#define FILE_MAX (16u * 1024u * 1024u)
#define ROWS_MAX 200000u

struct row {
	size_t line;
	char *field[CSV_COLUMNS_MAX]; /* by known column; NULL: not in the file */
};

struct csv {
	struct bl_buf text;
	char *at;
	size_t line;
	char separator;
	size_t column[CSV_COLUMNS_MAX]; /* of the file's columns */
	size_t n_columns;
	struct row *row;
	size_t n, size;
};

enum end { END_FIELD, END_LINE, END_FILE, END_BAD };

/* Takes the field at c->at; *field is terminated in place. */
static enum end
take_field(struct csv *c, char **field)
{
	char *from = c->at, *to = c->at, last;
	const bool quoted = *from == '"';

	*field = to;
	from += quoted;
	for (;; from++) {
		if (*from == '\0' && quoted)
			return END_BAD; /* the quote is never closed */
		if (quoted && *from == '"' && *++from != '"')
			break;
		if (!quoted &&
		    (*from == c->separator || *from == '\n' || *from == '\r' || *from == '\0'))
			break;
		c->line += *from == '\n';
		*to++ = *from;
	}
	last = *from;
	if (last == '\r' && from[1] == '\n')
		last = *++from;
	*to = '\0';
	c->at = from + (last != '\0');
	if (last == c->separator)
		return END_FIELD;
	if (last == '\n')
		c->line++;
	return last == '\n' ? END_LINE : last == '\0' ? END_FILE : END_BAD;
}

/* Comma; where spreadsheets write decimals with one, a semicolon; or a tab: what the first line
 * has. */
static char
separator_of(const char *head)
{
	const char found = head[strcspn(head, ",;\t\r\n")];

	return found == ';' || found == '\t' ? found : ',';
}

static size_t
place_of(const char *name, const char *const *columns, size_t n)
{
	size_t i = 0;

	while (i < n && strcasecmp(columns[i], name) != 0)
		i++;
	return i;
}

static int
read_head(struct csv *c, const char *path, const char *const *columns, size_t n, size_t required,
    struct bl_err *err)
{
	unsigned seen = 0;
	enum end end;
	char *name;

	c->separator = separator_of(c->at);
	do {
		size_t i;

		end = take_field(c, &name);
		i = place_of(name, columns, n);
		if (end == END_BAD || i == n || (seen >> i & 1) != 0)
			return bl_fail(err, BL_EINVAL,
			    "%s, line 1: \"%.40s\" is no column of such a list, or stands there "
			    "twice",
			    path, name);
		seen |= 1u << i;
		c->column[c->n_columns++] = i;
	} while (end == END_FIELD);
	for (size_t i = 0; i < required; i++)
		if ((seen >> i & 1) == 0)
			return bl_fail(err, BL_EINVAL, "%s, line 1: the column \"%s\" is missing",
			    path, columns[i]);
	return BL_OK;
}

static struct row *
new_row(struct csv *c)
{
	struct row *more;

	if (c->n == c->size && c->size < ROWS_MAX) {
		more = realloc(c->row, (c->size * 2 + 64) * sizeof(*more));
		if (more == NULL)
			return NULL;
		c->row = more;
		c->size = c->size * 2 + 64;
	}
	if (c->n >= ROWS_MAX || c->n == c->size)
		return NULL;
	memset(&c->row[c->n], 0, sizeof(c->row[0]));
	return &c->row[c->n];
}

static int
read_row(struct csv *c, const char *path, struct bl_err *err)
{
	struct row *r = new_row(c);
	size_t i = 0;
	enum end end;

	if (r == NULL)
		return bl_fail(err, BL_EFULL, "%s: more than %u lines", path, ROWS_MAX);
	r->line = c->line;
	do {
		char *field;

		end = take_field(c, &field);
		if (end == END_BAD || i == c->n_columns)
			return bl_fail(err, BL_EINVAL,
			    "%s, line %zu: expected %zu fields, quotes closed", path, r->line,
			    c->n_columns);
		r->field[c->column[i++]] = field;
	} while (end == END_FIELD);
	if (i == 1 && r->field[c->column[0]][0] == '\0')
		return BL_OK; /* an empty line */
	if (i < c->n_columns)
		return bl_fail(err, BL_EINVAL, "%s, line %zu: expected %zu fields, got %zu", path,
		    r->line, c->n_columns, i);
	c->n++;
	return BL_OK;
}

static int
load(struct csv *c, const char *path, struct bl_err *err)
{
	int rc;

	bl_buf_init(&c->text, FILE_MAX);
	if ((rc = files_read(path, &c->text, err)) < 0)
		return rc;
	if (memchr(c->text.data != NULL ? c->text.data : (const void *)"", 0, c->text.len) != NULL)
		return bl_fail(err, BL_EINVAL, "%s: not a text file", path);
	bl_buf_u8(&c->text, 0);
	if (c->text.failed)
		return bl_fail(err, BL_EFULL, "%s: larger than %u bytes", path, FILE_MAX);
	c->at = (char *)c->text.data;
	c->line = 1;
	if (strncmp(c->at, "\xef\xbb\xbf", 3) == 0)
		c->at += 3;
	return BL_OK;
}

int
csv_read(struct csv **out, const char *path, const char *const *columns, size_t n, size_t required,
    struct bl_err *err)
{
	struct csv *c = calloc(1, sizeof(*c));
	int rc;

	*out = NULL;
	if (c == NULL)
		return bl_fail(err, BL_ENOMEM, "read %s: out of memory", path);
	if ((rc = load(c, path, err)) == BL_OK)
		rc = read_head(c, path, columns, n, required, err);
	while (rc == BL_OK && *c->at != '\0')
		rc = read_row(c, path, err);
	if (rc < 0) {
		csv_free(c);
		return rc;
	}
	*out = c;
	return BL_OK;
}

void
csv_free(struct csv *c)
{
	if (c == NULL)
		return;
	bl_buf_free(&c->text);
	free(c->row);
	free(c);
}

size_t
csv_rows(const struct csv *c)
{
	return c->n;
}

size_t
csv_line(const struct csv *c, size_t row)
{
	return c->row[row].line;
}

const char *
csv_field(const struct csv *c, size_t row, size_t column)
{
	return c->row[row].field[column] != NULL ? c->row[row].field[column] : "";
}
