/* Templates: text with fields in braces.  Taken apart once, put together for each row. */
#include "rowmap_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- taking apart ---- */

/* The place of a field; a new one when it is asked for the first time.  Negative: no room. */
static int
field_place(struct rowmap_fields *f, const char *name, size_t len)
{
	for (unsigned i = 0; i < f->n; i++)
		if (strlen(f->name[i]) == len && memcmp(f->name[i], name, len) == 0)
			return (int)i;
	if (f->n == BL_ROWMAP_FIELDS_MAX)
		return BL_EFULL;
	if ((f->name[f->n] = strndup(name, len)) == NULL)
		return BL_ENOMEM;
	return (int)f->n++;
}

int
rowmap_field(
    struct rowmap_fields *f, const char *key, const char *name, size_t len, struct bl_err *err)
{
	const int place = field_place(f, name, len);

	if (place == BL_ENOMEM)
		return bl_fail(err, BL_ENOMEM, "mapping: out of memory");
	if (place < 0)
		return bl_fail(err, BL_EINVAL, "%s: expected at most %u fields in a mapping", key,
		    BL_ROWMAP_FIELDS_MAX);
	return place;
}

const char *
rowmap_template_check(const char *source)
{
	static const char expected[] = "text whose fields stand in braces, like \"desk {no}\"; a "
				       "brace that is text is {{ or }}";

	for (const char *at = source + strcspn(source, "{}"); *at != '\0';
	     at += strcspn(at, "{}")) {
		const size_t len = strcspn(at + 1, "{}");

		if (at[0] == at[1])
			at += 2;
		else if (at[0] == '}' || len == 0 || at[1 + len] != '}')
			return expected;
		else
			at += len + 2;
	}
	return NULL;
}

/* One piece of a template that is right: a field, a brace, or the text up to the next of them. */
static int
take_part(const char *key, const char **at, struct rowmap_part *p, struct rowmap_fields *fields,
    struct bl_err *err)
{
	size_t len = strcspn(*at, "{}");
	const bool brace = len == 0 && (*at)[0] == (*at)[1];

	if (len == 0 && !brace) {
		len = strcspn(*at + 1, "}");
		p->field = rowmap_field(fields, key, *at + 1, len, err);
		*at += len + 2;
		return p->field;
	}
	p->field = -1;
	p->text = (struct bl_str){ *at, brace ? 1 : len };
	*at += brace ? 2 : len;
	return BL_OK;
}

int
rowmap_template_parse(struct rowmap_template *t, const char *key, const char *source,
    struct rowmap_parts *parts, struct rowmap_fields *fields, struct bl_err *err)
{
	const char *expected = source != NULL ? rowmap_template_check(source) : NULL;
	int rc;

	*t = (struct rowmap_template){ .source = source, .first = parts->n };
	if (expected != NULL)
		return bl_fail(err, BL_EINVAL, "%s: expected %s", key, expected);
	for (const char *at = source; at != NULL && *at != '\0';) {
		if (parts->n == ROWMAP_PARTS_MAX)
			return bl_fail(err, BL_EINVAL,
			    "%s: expected at most %u fields and texts between them in a mapping",
			    key, ROWMAP_PARTS_MAX);
		if ((rc = take_part(key, &at, &parts->part[parts->n], fields, err)) < 0)
			return rc;
		parts->n++;
		t->n++;
	}
	return BL_OK;
}

/* ---- putting together ---- */

const struct bl_rowmap_value *
rowmap_lone(const struct rowmap_run *r, const struct rowmap_template *t)
{
	const int field = t->n == 1 ? r->m->parts.part[t->first].field : -1;

	return field >= 0 ? &r->row[field] : NULL;
}

struct bl_str
rowmap_trim(struct bl_str s)
{
	while (s.len > 0 && (s.p[0] == ' ' || (s.p[0] >= '\t' && s.p[0] <= '\r'))) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 &&
	       (s.p[s.len - 1] == ' ' || (s.p[s.len - 1] >= '\t' && s.p[s.len - 1] <= '\r')))
		s.len--;
	return s;
}

/* What a piece says in this row. */
static int
say(struct rowmap_run *r, const char *key, const struct rowmap_part *p, struct bl_str *out)
{
	if (p->field < 0) {
		*out = p->text;
		return BL_OK;
	}
	*out = r->row[p->field].type == BL_ROWMAP_ABSENT ? (struct bl_str){ "", 0 }
							 : r->row[p->field].text;
	if (bl_wire_utf8(out->p, out->len))
		return BL_OK;
	return bl_fail(r->err, BL_EINVAL, "%s: {%s} %s", key, r->m->fields.name[p->field],
	    memchr(out->p, '\0', out->len) != NULL
		? "holds a zero byte"
		: "is not UTF-8 text; if it is GBK, say `encoding: gbk`");
}

int
rowmap_expand(
    struct rowmap_run *r, const char *key, const struct rowmap_template *t, struct bl_str *out)
{
	const struct rowmap_part *part = &r->m->parts.part[t->first];
	const size_t from = r->used;
	struct bl_str piece;
	int rc;

	*out = (struct bl_str){ "", 0 };
	if (t->n == 1)
		return say(r, key, part, out);
	for (unsigned i = 0; i < t->n; i++) {
		if ((rc = say(r, key, &part[i], &piece)) < 0)
			return rc;
		if (piece.len > BL_ROWMAP_TEXT_MAX - r->used)
			return bl_fail(r->err, BL_EINVAL,
			    "%s: the texts of this row take more than %u bytes", key,
			    BL_ROWMAP_TEXT_MAX);
		memcpy(r->out->text + r->used, piece.p, piece.len);
		r->used += piece.len;
	}
	*out = (struct bl_str){ r->out->text + from, r->used - from };
	return BL_OK;
}
