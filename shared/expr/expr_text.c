/*
 * Comparing texts, byte by byte, where either side may be one that lower()
 * gave: that one is turned to lower case while it is read, so that evaluation
 * needs no memory.  Bytes that are no UTF-8 stand for themselves.
 */
#include "expr_internal.h"

#include <string.h>

struct reader {
	const char *s;
	size_t len;
	bool lower;
	char piece[4];
	size_t n, at;
};

static struct reader
reader(const struct expr_cell *t, size_t skip)
{
	return (struct reader){ .s = t->text + skip, .len = t->len - skip, .lower = t->lower };
}

/* The next byte, -1 at the end. */
static int
next_byte(struct reader *r)
{
	uint32_t cp;
	size_t n;

	if (r->at < r->n)
		return (unsigned char)r->piece[r->at++];
	if (r->len == 0)
		return -1;
	n = r->lower ? expr_utf8(r->s, r->len, &cp) : 0;
	if (n == 0) {
		r->len--;
		return (unsigned char)*r->s++;
	}
	r->s += n;
	r->len -= n;
	r->n = expr_utf8_put(r->piece, expr_lower(cp));
	r->at = 1;
	return (unsigned char)r->piece[0];
}

int
expr_text_compare(const struct expr_cell *a, const struct expr_cell *b)
{
	struct reader ra, rb;
	int x, y;

	if (!a->lower && !b->lower) {
		const size_t common = a->len < b->len ? a->len : b->len;
		const int c = common == 0 ? 0 : memcmp(a->text, b->text, common);

		return c != 0 ? c : (a->len > b->len) - (a->len < b->len);
	}
	ra = reader(a, 0);
	rb = reader(b, 0);
	do {
		x = next_byte(&ra);
		y = next_byte(&rb);
	} while (x == y && x >= 0);
	return (x > y) - (x < y);
}

static bool
starts_at(const struct expr_cell *a, size_t skip, const struct expr_cell *part)
{
	struct reader ra = reader(a, skip), rp = reader(part, 0);
	int p;

	while ((p = next_byte(&rp)) >= 0)
		if (next_byte(&ra) != p)
			return false;
	return true;
}

bool
expr_text_starts(const struct expr_cell *a, const struct expr_cell *part)
{
	return starts_at(a, 0, part);
}

bool
expr_text_contains(const struct expr_cell *a, const struct expr_cell *part)
{
	if (part->len == 0)
		return true;
	if (!a->lower && !part->lower)
		return a->len > 0 && memmem(a->text, a->len, part->text, part->len) != NULL;
	for (size_t i = 0; i < a->len; i++)
		if ((a->text[i] & 0xc0) != 0x80 && starts_at(a, i, part))
			return true;
	return false;
}

bool
expr_word_is(const char *s, size_t len, const char *word)
{
	if (strlen(word) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] >= 0x80
			? s[i] != word[i]
			: expr_lower((unsigned char)s[i]) != expr_lower((unsigned char)word[i]))
			return false;
	return true;
}
