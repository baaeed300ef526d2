/* What others call a series, as ours: pure. */
#include "intake_internal.h"

#include <stdio.h>
#include <string.h>

#define SOURCE_TAKEN "exported_" INTAKE_SOURCE_LABEL

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

/* ---- the name ---- */

struct name {
	char *out; /* of BL_NAME_MAX + 1 */
	size_t len;
	bool joint; /* a '_' that stands for something else, if anything follows */
	bool full;
};

static void
put_byte(struct name *n, char c)
{
	if (n->len == BL_NAME_MAX)
		n->full = true;
	else
		n->out[n->len++] = c;
}

static void
put(struct name *n, char c)
{
	if (n->joint)
		put_byte(n, '_');
	n->joint = false;
	put_byte(n, c);
}

static void
join(struct name *n)
{
	n->joint = n->len > 0 && n->out[n->len - 1] != '_';
}

/* The code of a well-formed sequence, and its length. */
static unsigned
code_of(const uint8_t *p, size_t *len)
{
	const uint8_t lead = p[0];
	unsigned code = lead < 0xe0 ? lead & 0x1fu : lead < 0xf0 ? lead & 0x0fu : lead & 0x07u;

	*len = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	for (size_t i = 1; i < *len; i++)
		code = code << 6 | (p[i] & 0x3fu);
	return code;
}

static void
put_code(struct name *n, unsigned code)
{
	char hex[12];

	(void)snprintf(hex, sizeof(hex), "u%04x", code);
	for (const char *p = hex; *p != '\0'; p++)
		put(n, *p);
}

static void
put_text(struct name *n, struct bl_str s)
{
	size_t len = 1;

	for (size_t i = 0; i < s.len && !n->full; i += len, len = 1) {
		const char c = s.p[i];

		if (c >= 'A' && c <= 'Z')
			put(n, (char)(c - 'A' + 'a'));
		else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			put(n, c);
		else if (c == '_' && n->len > 0)
			put(n, c);
		else if ((c & 0x80) != 0)
			put_code(n, code_of((const uint8_t *)s.p + i, &len));
		else
			join(n);
	}
}

/* A digit cannot be the first. */
static void
begin_with_letter(struct name *n)
{
	if (n->len == 0 || n->out[0] < '0' || n->out[0] > '9')
		return;
	if (n->len + 2 > BL_NAME_MAX) {
		n->full = true;
		return;
	}
	memmove(n->out + 2, n->out, n->len);
	memcpy(n->out, "n_", 2);
	n->len += 2;
}

bool
intake_clean_name(const char *prefix, struct bl_str raw, char out[BL_NAME_MAX + 1])
{
	struct name n = { .out = out };
	size_t before;

	out[0] = '\0';
	/* What is so long does not fit in any case. */
	if (raw.len == 0 || raw.len > 4096 || !bl_wire_utf8(raw.p, raw.len))
		return false;
	if (prefix != NULL && bl_wire_utf8(prefix, strlen(prefix)))
		put_text(&n, str(prefix));
	join(&n);
	before = n.len;
	put_text(&n, raw);
	if (n.len == before)
		return false;
	begin_with_letter(&n);
	out[n.full ? 0 : n.len] = '\0';
	return !n.full;
}

/* ---- labels ---- */

static int
compare(struct bl_str a, struct bl_str b)
{
	const size_t len = a.len < b.len ? a.len : b.len;
	const int order = len == 0 ? 0 : memcmp(a.p, b.p, len);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static bool
text_ok(struct bl_str s, size_t max)
{
	return s.len > 0 && s.len <= max && bl_wire_utf8(s.p, s.len);
}

/* Into its place, or over the one with its key. */
static void
insert(struct bl_label *to, uint32_t *n, const struct bl_label *l)
{
	uint32_t at = *n;

	while (at > 0 && compare(to[at - 1].key, l->key) > 0)
		at--;
	if (at > 0 && compare(to[at - 1].key, l->key) == 0) {
		to[at - 1] = *l;
		return;
	}
	memmove(to + at + 1, to + at, (*n - at) * sizeof(*to));
	to[at] = *l;
	(*n)++;
}

static void
leave_out_empty(struct bl_label *to, uint32_t *n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < *n; i++)
		if (to[i].value.len > 0)
			to[kept++] = to[i];
	*n = kept;
}

/*
 * How many bytes of a control character stand at p, in ASCII or behind it (U+0080 to U+009F).  A
 * new line is none here: the formats of exporters can write it, and ours can.
 */
static size_t
control(const char *p, size_t left)
{
	const unsigned char c = (unsigned char)p[0];

	if (c < 0x20 || c == 0x7f)
		return c != '\n';
	return c == 0xc2 && left > 1 && (unsigned char)p[1] < 0xa0 ? 2 : 0;
}

static bool
has_control(struct bl_str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (control(s.p + i, s.len - i) > 0)
			return true;
	return false;
}

/* A key or a unit: of one line, too. */
static bool
word_ok(struct bl_str s)
{
	return text_ok(s, BL_NAME_MAX) && !has_control(s) && memchr(s.p, '\n', s.len) == NULL;
}

/* Runs of control characters become a space each, as what cannot stand in a name becomes a '_':
 * values are for lines that others read, on screens and pages. */
static struct bl_str
clean_value(struct bl_str s, char *out)
{
	size_t len = 0, n;

	for (size_t i = 0; i<s.len; i += n> 0 ? n : 1) {
		if ((n = control(s.p + i, s.len - i)) == 0)
			out[len++] = s.p[i];
		else if (i == 0 || out[len - 1] != ' ')
			out[len++] = ' ';
	}
	return (struct bl_str){ out, len };
}

static bool
define_labels(struct intake_def *d, const struct intake_name *n, const char *source)
{
	const struct bl_label own = { str(INTAKE_SOURCE_LABEL), str(source) };
	struct bl_label to[INTAKE_LABEL_MAX];
	struct bl_series_def *def = &d->def;
	uint32_t n_to = 0;

	if (n->n_labels > BL_LABELS_MAX)
		return false;
	for (uint32_t i = 0; i < n->n_labels; i++) {
		struct bl_label l = n->label[i];

		if (!word_ok(l.key) || (l.value.len > 0 && !text_ok(l.value, BL_LABEL_VALUE_MAX)))
			return false;
		if (has_control(l.value))
			l.value = clean_value(l.value, d->clean + i * BL_LABEL_VALUE_MAX);
		if (compare(l.key, own.key) == 0)
			l.key = str(SOURCE_TAKEN);
		insert(to, &n_to, &l);
	}
	leave_out_empty(to, &n_to);
	insert(to, &n_to, &own);
	if (n_to > BL_LABELS_MAX)
		return false;
	def->n_labels = n_to;
	memcpy(def->label, to, n_to * sizeof(*to));
	return true;
}

/* ---- all of it ---- */

int
intake_define(
    struct intake_def *out, const struct intake_name *n, const char *prefix, const char *source)
{
	struct bl_series_def *def = &out->def;

	memset(def, 0, sizeof(*def)); /* the texts are written before they are read */
	if (!intake_clean_name(prefix, n->name, out->name))
		return INTAKE_BAD_NAME;
	def->stream = BL_STREAM_HOST;
	def->kind = n->kind;
	def->name = str(out->name);
	def->unit = word_ok(n->unit) ? n->unit : str("1");
	return define_labels(out, n, source) ? -1 : (int)INTAKE_BAD_LABEL;
}
