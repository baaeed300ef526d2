/*
 * libFuzzer target: what an HTTP server answers to a probe, and the words of a
 * probe's configuration.  However the stream is cut into pieces, the verdict,
 * the status, the end and what was found in the body are the same.
 *
 * The first byte chooses: '0' an address, '1' a set of status codes, '2' a Location, else an
 * answer, its bits being HEAD, a small cap of the body, and the size of the pieces.
 */
#include "fuzz.h"
#include "probe_http_internal.h"

struct told {
	enum probe_http_verdict verdict;
	size_t used;
	int status;
	bool reusable, matched;
	uint64_t body_bytes;
};

static struct told
read_whole(const char *data, size_t size, size_t piece, unsigned how)
{
	static struct probe_want want;
	static struct probe_body body;
	struct probe_http h;
	struct told t = { .verdict = PROBE_HTTP_MORE };
	char why[160];

	if (body.want == NULL) {
		struct bl_err err = { 0 };

		probe_needle_init(&want.needle, "abab");
		if (bl_regex_compile(&want.regex, "a[b-d]*e$", &err) < 0 ||
		    probe_json_want_parse(&want.json[want.n_json++], "a[0].b", "< 5") != NULL ||
		    probe_body_init(&body, &want, 4096, &err) < 0)
			abort();
	}
	probe_body_begin(&body);
	probe_http_init(&h, (how & 1) != 0, (how & 2) != 0 ? 10 : 1 << 20, &body);
	while (t.verdict == PROBE_HTTP_MORE && t.used < size) {
		const size_t n = size - t.used < piece ? size - t.used : piece;
		size_t used = 0;

		t.verdict = probe_http_feed(&h, data + t.used, n, &used);
		CHECK(used <= n && (t.verdict != PROBE_HTTP_MORE || used == n));
		t.used += used;
	}
	if (t.verdict == PROBE_HTTP_MORE)
		t.verdict = probe_http_end(&h);
	CHECK(t.verdict != PROBE_HTTP_MORE);
	CHECK((t.verdict == PROBE_HTTP_WRONG) == (h.error != NULL));
	CHECK(t.verdict == PROBE_HTTP_WRONG || h.status >= 100);
	t.status = h.status;
	t.reusable = h.reusable;
	t.matched = probe_body_end(&body, why, sizeof(why)) == NULL;
	t.body_bytes = h.body_bytes;
	return t;
}

static void
answer(const char *data, size_t size, unsigned how)
{
	const struct told a = read_whole(data, size, SIZE_MAX, how);
	const struct told b = read_whole(data, size, 1 + (how >> 2) % 16, how);

	CHECK(a.verdict == b.verdict && a.status == b.status);
	if (a.verdict == PROBE_HTTP_WRONG)
		return;
	CHECK(a.reusable == b.reusable && a.matched == b.matched && a.body_bytes == b.body_bytes);
	CHECK(a.verdict == PROBE_HTTP_CUT ? !a.reusable : a.used == b.used);
}

static void
address(const char *text)
{
	struct probe_url u;

	if (probe_url_parse(text, &u) != NULL)
		return;
	CHECK(u.host[0] != '\0' && u.port != 0 && u.target[0] == '/');
	for (const char *p = u.target; *p != '\0'; p++)
		CHECK((unsigned char)*p > 0x20 && *p != 0x7f);
}

/* Wherever an answer sends us: an address like those of a configuration, and no other. */
static void
redirect(const char *text)
{
	struct probe_url from;
	struct probe_url to;

	CHECK(probe_url_parse("https://a.example:8443/b/c/d?e=f", &from) == NULL);
	if (strlen(text) > PROBE_LOCATION_MAX || probe_redirect_to(&from, text, &to) != NULL)
		return;
	CHECK(to.host[0] != '\0' && to.port != 0 && to.target[0] == '/');
	for (const char *p = to.target; *p != '\0'; p++)
		CHECK((unsigned char)*p > 0x20 && (unsigned char)*p < 0x7f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = fuzz_text(data + 1, size - 1);
	if (data[0] == '0')
		address(text);
	else if (data[0] == '1' && probe_status_check(text) == NULL)
		for (int s = 0; s < 700; s += 33)
			(void)probe_status_in(text, s);
	else if (data[0] == '2')
		redirect(text);
	else if (data[0] != '1')
		answer(text, size - 1, data[0]);
	free(text);
	return 0;
}
