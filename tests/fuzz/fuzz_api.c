/*
 * libFuzzer target: a whole request through the API, on real databases with a
 * site, a device, some definitions and two hours of telemetry, as the local
 * administrator (or, with "Host", as a browser that is not signed in):
 *
 *	METHOD target
 *	Header: value
 *
 *	body
 *
 * Every request has an answer whose body is what its status promises, and none
 * is an "internal error".  The databases are made anew after some changes.
 */
#include <strings.h>
#include <unistd.h>

#include <jansson.h>

#include "api_internal.h"
#include "folder.h"
#include "fuzz.h"
#include "fuzz_centre.h"

#define CHANGES_MAX 300 /* then the databases are made anew */

static struct fuzz_centre centre;
static struct api *api;
static unsigned changes;

static struct {
	const char *name, *value;
} header[8];
static size_t n_headers;

const char *__wrap_http_header(const struct http_request *q, const char *name);

/* The linker puts this in the server library's place (--wrap). */
const char *
__wrap_http_header(const struct http_request *q, const char *name)
{
	(void)q;
	for (size_t i = 0; i < n_headers; i++)
		if (strcasecmp(header[i].name, name) == 0)
			return header[i].value;
	return NULL;
}

static int
reader_open(void *ctx, struct store_read **out, struct bl_err *err)
{
	return store_read_open(out, ((struct fuzz_centre *)ctx)->store_path, bl_clock_real(), err);
}

static void
reader_close(void *ctx, struct store_read *r)
{
	(void)ctx;
	store_read_close(r);
}

static void
begin(void)
{
	struct api_opts opts = {
		.default_zone = "Asia/Shanghai",
		.password_memory_kib = 64, /* the strength is tested elsewhere */
		.clock = bl_clock_real(),
		.web_root = centre.web,
		.hooks = { .ctx = &centre, .store_open = reader_open, .store_close = reader_close },
	};

	fuzz_centre_open(&centre);
	opts.control = centre.control;
	CHECK(api_start(&api, &opts, NULL) == BL_OK);
}

static void
end(void)
{
	api_stop(api);
	api = NULL;
	fuzz_centre_close(&centre);
}

static void
at_exit(void)
{
	if (api != NULL)
		end();
}

/* Cuts the text at its next line end; NULL: there is none. */
static char *
line(char **rest)
{
	char *text = *rest, *nl = strchr(text, '\n');

	if (nl == NULL)
		return NULL;
	*nl = '\0';
	*rest = nl + 1;
	return text;
}

static bool
take_request(struct http_request *q, char *text)
{
	char *first = line(&text), *target, *l, *colon;

	if (first == NULL || (target = strchr(first, ' ')) == NULL)
		return false;
	*target++ = '\0';
	q->method = first;
	n_headers = 0;
	while ((l = line(&text)) != NULL && *l != '\0') {
		if ((colon = strstr(l, ": ")) == NULL || n_headers == 8)
			continue;
		*colon = '\0';
		header[n_headers].name = l;
		header[n_headers++].value = colon + 2;
	}
	q->body = text;
	q->body_len = strlen(text);
	if (n_headers < 8 && __wrap_http_header(q, "Content-Type") == NULL) {
		header[n_headers].name = "Content-Type";
		header[n_headers++].value = "application/json";
	}
	return q->body_len <= HTTP_BODY_MAX && http_parse_target(q, target);
}

static void
check_answer(const struct http_answer *a)
{
	const char *body = a->body != NULL ? a->body : a->shared;

	CHECK(a->status >= 200 && a->status <= 599 && a->status != 500);
	CHECK((a->content_type == NULL) == (body == NULL) || a->len == 0);
	if (body != NULL && strstr(a->content_type, "json") != NULL && a->n_headers > 0) {
		json_t *parsed;

		for (size_t i = 0; i < a->n_headers; i++)
			if (strcasecmp(a->header[i].name, "Content-Encoding") == 0)
				return;
		CHECK((parsed = json_loadb(body, a->len, 0, NULL)) != NULL);
		json_decref(parsed);
	}
}

/* What is made while it is sent, as a whole. */
static void
drain(struct http_answer *a)
{
	struct bl_buf all;
	int rc = 1;

	if (a->stream.next == NULL)
		return;
	bl_buf_init(&all, 256u << 20);
	while (rc == 1)
		rc = a->stream.next(a->stream.ctx, &all);
	CHECK(rc == 0 && !all.failed);
	a->stream.end(a->stream.ctx);
	a->body = (char *)all.data; /* handed over */
	a->len = all.len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_request q;
	static struct http_answer a;
	char *text = fuzz_text(data, size);

	if (api == NULL) {
		static bool registered;

		if (!registered)
			(void)atexit(at_exit);
		registered = true;
		begin();
	}
	memset(&a, 0, sizeof(a));
	memset(q.address, 0, sizeof(q.address));
	if (strlen(text) == size && take_request(&q, text)) {
		q.local_socket = __wrap_http_header(&q, "Host") == NULL;
		q.peer_allowed = q.loopback = q.local_socket;
		api_handle(api, &q, &a);
		drain(&a);
		check_answer(&a);
		free(a.body);
		if (strcmp(q.method, "GET") != 0 && a.status < 300 && ++changes >= CHANGES_MAX) {
			changes = 0;
			end();
		}
	}
	free(text);
	return 0;
}
