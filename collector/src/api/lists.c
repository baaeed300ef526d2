/* What lists have in common: pages, cursors, ranges, stored JSON. */
#include "api_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const api_windows[] = { "1m", "5m", "1h", "1d", NULL };

void
api_items(struct api_req *r)
{
	jsonw_object(&r->w, NULL);
	jsonw_array(&r->w, "items");
}

bool
api_page_room(struct api_req *r, struct api_page *p)
{
	if (p->n == p->limit || r->w.buf.len > API_PAGE_BYTES) {
		p->more = true;
		return false;
	}
	p->n++;
	return true;
}

void
api_items_end(struct api_req *r, const struct api_page *p, const char *cursor)
{
	jsonw_array_end(&r->w);
	jsonw_str(&r->w, "next", p->more ? cursor : NULL);
}

int
api_items_send(struct api_req *r, const struct api_page *p, int64_t last)
{
	char cursor[24];

	(void)snprintf(cursor, sizeof(cursor), "%lld", (long long)last);
	api_items_end(r, p, cursor);
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}

void
api_splice(struct jsonw *w, const char *object)
{
	const size_t len = strlen(object);

	if (len <= 2) /* {} */
		return;
	jsonw_raw(w, NULL, "");
	bl_buf_bytes(&w->buf, object + 1, len - 2);
}

void
api_object(struct jsonw *w, const char *key, const char *object)
{
	jsonw_raw(w, key, object[0] == '{' ? object : "{}");
}

bool
api_range(struct api_req *r, const struct query_range *q, int64_t *from, int64_t *to)
{
	struct field_errors errs = { 0 };

	*from = q->from.given ? q->from.v : 0;
	*to = q->to.given ? q->to.v : (int64_t)QUERY_MS_MAX;
	if (*from < *to)
		return true;
	field_error_add(&errs, "to", "later than from", "an empty range", NULL);
	api_problem_fields(r, &errs);
	return false;
}

int64_t
api_number(const char *text)
{
	return text != NULL && check_number(NULL, text) == NULL ? strtoll(text, NULL, 10) : 0;
}
