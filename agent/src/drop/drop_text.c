/*
 * A file that is not UTF-8: its bytes beside its text.
 *
 * Rows are read from the text; places are places in the file's bytes.  A row ends with a line
 * break, which is one in both, or where all ends that is converted: so what a row takes of the one
 * says what it takes of the other.
 */
#include "drop_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RAW_MAX (2 * DROP_BUFFER) /* UTF-16 has two bytes where the text has one */

static const char wrong[] = "\xef\xbf\xbd"; /* U+FFFD */

int
drop_text_open(struct drop_text *t, int fd, enum bl_charset encoding, struct bl_err *err)
{
	unsigned char begin[3];
	const ssize_t n = pread(fd, begin, sizeof(begin), 0);
	int rc;

	memset(t, 0, sizeof(*t));
	t->is = bl_charset_told(begin, n > 0 ? (size_t)n : 0, encoding, &t->mark);
	if (t->is == BL_CHARSET_UTF8)
		return BL_OK;
	if ((rc = bl_charset_open(&t->conv, t->is, err)) < 0)
		return rc;
	t->raw = malloc(RAW_MAX);
	return t->raw != NULL ? BL_OK : bl_fail(err, BL_ENOMEM, "out of memory");
}

void
drop_text_close(struct drop_text *t)
{
	bl_charset_close(t->conv);
	free(t->raw);
	memset(t, 0, sizeof(*t));
}

void
drop_text_empty(struct drop_file *file)
{
	file->from = file->len = 0;
	file->text.from = file->text.used = file->text.len = 0;
}

void
drop_text_make_room(struct drop_file *file)
{
	struct drop_text *t = &file->text;

	memmove(file->buf, file->buf + file->from, file->len - file->from);
	file->len -= file->from;
	file->from = 0;
	if (t->conv == NULL)
		return;
	memmove(t->raw, t->raw + t->from, t->len - t->from);
	t->used -= t->from;
	t->len -= t->from;
	t->from = 0;
}

size_t
drop_text_room(struct drop_file *file, char **to)
{
	struct drop_text *t = &file->text;

	*to = t->conv != NULL ? t->raw + t->len : file->buf + file->len;
	return t->conv != NULL ? RAW_MAX - t->len : DROP_BUFFER - file->len;
}

size_t
drop_text_read(const struct drop_file *file)
{
	return file->text.conv != NULL ? file->text.len - file->text.from : file->len - file->from;
}

void
drop_text_add(struct drop_file *file, size_t n)
{
	if (file->text.conv != NULL)
		file->text.len += n;
	else
		file->len += n;
}

bool
drop_text_convert(struct drop_file *file, bool end)
{
	struct drop_text *t = &file->text;
	struct bl_charset_text c;
	const size_t before = file->len;

	if (t->conv == NULL)
		return false;
	c = (struct bl_charset_text){ t->raw + t->used, t->len - t->used, file->buf + file->len,
		DROP_BUFFER - file->len, 0 };
	bl_charset_convert(t->conv, &c, end);
	t->used = t->len - c.in_len;
	file->len = DROP_BUFFER - c.room;
	return file->len > before;
}

/* Bytes of the file that these of its text are. */
static size_t
raw_of(const struct drop_file *file, size_t used, unsigned lines)
{
	const struct drop_text *t = &file->text;
	const char *at = t->raw + t->from;
	const char *const end = t->raw + t->used;

	if (used == file->len - file->from)
		return t->used - t->from;
	for (unsigned i = 0; i < lines && at != NULL; i++)
		at = bl_charset_behind_line(t->is, at, (size_t)(end - at));
	return at != NULL ? (size_t)(at - (t->raw + t->from)) : t->used - t->from;
}

void
drop_text_pass(struct drop_file *file, size_t used, unsigned lines)
{
	size_t raw = used;

	if (file->text.conv != NULL) {
		raw = raw_of(file, used, lines);
		file->text.from += raw;
	}
	file->from += used;
	file->next.offset += raw;
	file->next.line += lines;
}

const char *
drop_text_wrong(const struct drop_file *file, size_t used, unsigned lines, char *why, size_t size)
{
	const struct drop_text *t = &file->text;

	if (t->conv == NULL)
		return NULL;
	if (bl_charset_is_utf8(t->is, t->raw + t->from, raw_of(file, used, lines)))
		(void)snprintf(
		    why, size, "this is UTF-8, not %s as `encoding` says", bl_charset_names[t->is]);
	else if (memmem(file->buf + file->from, used, wrong, sizeof(wrong) - 1) != NULL)
		(void)snprintf(why, size, "bytes that are not %s; here they are %s",
		    bl_charset_names[t->is], wrong);
	else
		return NULL;
	return why;
}
