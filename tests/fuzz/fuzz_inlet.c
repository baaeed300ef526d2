/*
 * libFuzzer target: one line of the step protocol.  Looked for, besides what
 * the sanitizers see: an event that the codec would refuse, one that becomes
 * another when it is written and read again, a message that does not say where
 * it is or that would break the protocol of one line an answer.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/batch.h"

#include "inlet_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static bool
same(struct bl_str a, struct bl_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static void
check_equal(const struct bl_event *a, const struct bl_event *b)
{
	check(same(a->type, b->type) && same(a->id, b->id) && a->n_attrs == b->n_attrs);
	for (uint32_t i = 0; i < a->n_attrs; i++) {
		const struct bl_attr *x = &a->attr[i], *y = &b->attr[i];

		check(same(x->key, y->key) && x->type == y->type);
		check(x->type != BL_ATTR_TEXT || same(x->text, y->text));
		check(x->type != BL_ATTR_NUMBER || memcmp(&x->number, &y->number, 8) == 0);
		check(x->type != BL_ATTR_BOOL || x->boolean == y->boolean);
	}
}

/* What is taken now must not be refused when a batch is made of it. */
static void
check_encodes(const struct bl_event *ev)
{
	struct bl_batch_enc *enc = bl_batch_enc_create();

	check(enc != NULL && bl_batch_enc_event(enc, ev) == BL_OK);
	bl_batch_enc_free(enc);
}

static char *
text_of(struct bl_str s)
{
	char *text = strndup(s.p, s.len);

	check(text != NULL);
	return text;
}

static void
write_attr(struct bl_buf *out, const struct bl_attr *a)
{
	char *key = text_of(a->key), *value, number[64];

	if (a->type == BL_ATTR_TEXT) {
		value = text_of(a->text);
		inlet_line_put_text(out, key, value);
		free(value);
	} else if (a->type == BL_ATTR_BOOL) {
		inlet_line_put_value(out, key, a->boolean ? "true" : "false");
	} else {
		/* With an exponent always: a long whole number would be text. */
		(void)snprintf(number, sizeof(number), "%.17e", a->number);
		inlet_line_put_value(out, key, number);
	}
	free(key);
}

/* attr 0 is the process, 1 the case, and 2 the step where there is one. */
static void
write_line(struct bl_buf *out, const struct bl_event *ev)
{
	uint32_t i = 2;
	char *word;

	bl_buf_bytes(out, "step ", 5);
	bl_buf_bytes(out, ev->type.p + 5, ev->type.len - 5);
	word = text_of(ev->attr[1].text);
	inlet_line_put_word(out, word);
	free(word);
	if (ev->n_attrs > 2 && same(ev->attr[2].key, (struct bl_str){ "step", 4 })) {
		word = text_of(ev->attr[i++].text);
		inlet_line_put_word(out, word);
		free(word);
	}
	write_attr(out, &ev->attr[0]);
	if (ev->id.len > 0) {
		word = text_of(ev->id);
		inlet_line_put_text(out, "id", word);
		free(word);
	}
	for (; i < ev->n_attrs; i++)
		write_attr(out, &ev->attr[i]);
}

static void
check_message(const struct bl_err *err, size_t size)
{
	unsigned column = 0;

	check(sscanf(err->msg, "column %u: ", &column) == 1);
	check(column >= 1 && column <= size + 1);
	check(strpbrk(err->msg, "\r\n") == NULL);
	check(strlen(err->msg) < sizeof(err->msg) - 1); /* not cut, perhaps inside a character */
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct inlet_line line, again;
	struct bl_err err = { 0 };
	struct bl_buf out;

	if (inlet_line_parse((const char *)data, size, &line, &err) < 0) {
		check_message(&err, size);
		return 0;
	}
	check_encodes(&line.ev);
	bl_buf_init(&out, 1u << 20);
	write_line(&out, &line.ev);
	check(!out.failed);
	/* Quotes and exponents make it longer: only what fits can be read again. */
	if (out.len <= INLET_LINE_MAX) {
		check(inlet_line_parse((const char *)out.data, out.len, &again, &err) == BL_OK);
		check_equal(&line.ev, &again.ev);
	}
	bl_buf_free(&out);
	return 0;
}
