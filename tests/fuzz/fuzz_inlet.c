/*
 * libFuzzer target: one line of the protocol, in a syslog envelope perhaps.  Looked for, besides
 * what the sanitizers see: an event or value that the codec would refuse, one that becomes
 * another when it is written and read again, a message that does not say where
 * it is or that would break the protocol of one line an answer.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/batch.h"
#include "branchline/message.h"

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
check_same_metric(const struct inlet_report *a, const struct inlet_report *b)
{
	check(same(a->def.name, b->def.name) && same(a->def.unit, b->def.unit) &&
	      a->def.kind == b->def.kind && memcmp(&a->value, &b->value, 8) == 0 &&
	      a->def.n_labels == b->def.n_labels);
	for (uint32_t i = 0; i < a->def.n_labels; i++)
		check(same(a->def.label[i].key, b->def.label[i].key) &&
		      same(a->def.label[i].value, b->def.label[i].value));
}

static void
check_equal(const struct inlet_report *r, const struct inlet_report *s)
{
	const struct bl_event *a = &r->ev, *b = &s->ev;

	check(r->kind == s->kind && same(r->id, s->id) && r->at_unix_ms == s->at_unix_ms);
	if (r->kind == INLET_METRIC) {
		check_same_metric(r, s);
		return;
	}
	check(same(a->type, b->type) && a->n_attrs == b->n_attrs);
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

/* Its labels ascend, each once; its name is checked later, where it is told in its own words. */
static void
check_metric(const struct inlet_report *r)
{
	static const struct bl_id spool = { { 1 } };
	struct bl_series_def def = r->def;
	uint32_t n = 0;
	struct bl_buf out;

	check(isfinite(r->value) && def.name.len > 0 && def.name.len <= BL_NAME_MAX);
	def.id = 1;
	def.stream = BL_STREAM_HOST;
	def.name = (struct bl_str){ "x", 1 };
	bl_buf_init(&out, BL_BATCH_WIRE_MAX);
	check(bl_dict_encode(&spool, &def, 1, &out, &n, NULL) == BL_OK);
	bl_buf_free(&out);
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

static void
write_word(struct bl_buf *out, struct bl_str s)
{
	char *word = text_of(s);

	inlet_line_put_word(out, word);
	free(word);
}

static void
write_text(struct bl_buf *out, struct bl_str key, struct bl_str value)
{
	write_attr(out, &(struct bl_attr){ .key = key, .type = BL_ATTR_TEXT, .text = value });
}

static void
write_metric(struct bl_buf *out, const struct inlet_report *r)
{
	char number[64];

	(void)snprintf(number, sizeof(number), " %.17e", r->value);
	bl_buf_bytes(out, "metric", 6);
	write_word(out, r->def.name);
	bl_buf_bytes(out, number, strlen(number));
	if (r->def.unit.len > 0)
		write_text(out, (struct bl_str){ "unit", 4 }, r->def.unit);
	if (r->def.kind == BL_COUNTER)
		bl_buf_bytes(out, " kind=counter", 13);
	for (uint32_t i = 0; i < r->def.n_labels; i++)
		write_text(out, r->def.label[i].key, r->def.label[i].value);
}

/* Of a step, attr 0 is the process, 1 the case, and 2 the step where there is one. */
static void
write_event(struct bl_buf *out, const struct bl_event *ev)
{
	const bool step = ev->type.len > 5 && memcmp(ev->type.p, "step.", 5) == 0;
	uint32_t i = 0;

	if (!step) {
		bl_buf_bytes(out, "event", 5);
		write_word(out, ev->type);
	} else {
		bl_buf_bytes(out, "step ", 5);
		bl_buf_bytes(out, ev->type.p + 5, ev->type.len - 5);
		write_word(out, ev->attr[1].text);
		i = 2;
		if (ev->n_attrs > 2 && same(ev->attr[2].key, (struct bl_str){ "step", 4 }))
			write_word(out, ev->attr[i++].text);
		write_attr(out, &ev->attr[0]);
	}
	for (; i < ev->n_attrs; i++)
		write_attr(out, &ev->attr[i]);
}

static void
write_line(struct bl_buf *out, const struct inlet_report *r)
{
	char at[64];

	if (r->kind == INLET_METRIC)
		write_metric(out, r);
	else
		write_event(out, &r->ev);
	if (r->id.len > 0)
		write_text(out, (struct bl_str){ "id", 2 }, r->id);
	if (r->at_unix_ms != 0) {
		(void)snprintf(at, sizeof(at), " at=%lld.%03d", (long long)(r->at_unix_ms / 1000),
		    (int)(r->at_unix_ms % 1000));
		bl_buf_bytes(out, at, strlen(at));
	}
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
	const size_t envelope = inlet_line_message((const char *)data, size);
	struct bl_err err = { 0 };
	struct bl_buf out;

	check(envelope <= size);
	if (inlet_line_parse((const char *)data + envelope, size - envelope, &line, &err) < 0) {
		check_message(&err, size);
		return 0;
	}
	if (line.r.kind == INLET_METRIC)
		check_metric(&line.r);
	else
		check_encodes(&line.r.ev);
	bl_buf_init(&out, 1u << 20);
	write_line(&out, &line.r);
	check(!out.failed);
	/* Quotes and exponents make it longer: only what fits can be read again. */
	if (out.len <= INLET_LINE_MAX) {
		check(inlet_line_parse((const char *)out.data, out.len, &again, &err) == BL_OK);
		check_equal(&line.r, &again.r);
	}
	bl_buf_free(&out);
	return 0;
}
