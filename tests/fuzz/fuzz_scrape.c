/*
 * libFuzzer target: pages of exporters.  However a page is cut into pieces, it makes the same
 * series with the same values; read twice, it makes them again; whatever is put is a
 * series that the codec takes.
 *
 * The first byte: bit 0 OpenMetrics, bit 1 filters and new names, the others the size of pieces.
 */
#include "fuzz.h"

#include <math.h>

#include "branchline/buf.h"
#include "branchline/message.h"

#include "scrape_internal.h"

#define SERIES 256

struct sink {
	int32_t n;
	uint64_t puts;
	double sum; /* of what was put, each by its place */
	uint32_t times[SERIES];
};

/* What is taken now must not be refused when the dictionary is sent. */
static bool
encodes(const struct bl_series_def *def)
{
	static const struct bl_id nobody = { { 1 } };
	struct bl_series_def one = *def;
	struct bl_err err;
	struct bl_buf b;
	uint32_t n = 0;
	int rc;

	one.id = 1;
	bl_buf_init(&b, BL_BATCH_WIRE_MAX);
	rc = bl_dict_encode(&nobody, &one, 1, &b, &n, &err);
	bl_buf_free(&b);
	return rc == BL_OK && n == 1;
}

static int32_t
sink_declare(void *ctx, const struct bl_series_def *def)
{
	struct sink *s = ctx;

	CHECK(encodes(def));
	return s->n < SERIES ? s->n++ : BL_EFULL;
}

static void
once(struct sink *s, int32_t handle)
{
	CHECK(handle >= 0 && handle < s->n);
	CHECK(s->times[handle]++ == 0); /* on one page */
	s->puts++;
}

static void
sink_put(void *ctx, int32_t handle, double value)
{
	struct sink *s = ctx;

	CHECK(isfinite(value));
	once(s, handle);
	s->sum += value / (handle + 1);
}

static void
sink_unknown(void *ctx, int32_t handle, enum bl_unknown reason)
{
	struct sink *s = ctx;

	CHECK(reason != BL_KNOWN);
	once(s, handle);
	s->sum += handle + (int)reason;
}

struct told {
	bool none;
	int32_t n;
	uint64_t puts, samples, bad, twice;
	double sum;
};

static struct told
read_pages(const char *text, size_t size, size_t piece, unsigned how)
{
	static char *const ex[] = { (char *)"x*", (char *)"y{a=b*}" };
	static char *const from[] = { (char *)"a" }, *const to[] = { (char *)"renamed" };
	static struct sink s;
	struct sample_sink sink = {
		.ctx = &s, .declare = sink_declare, .put = sink_put, .unknown = sink_unknown
	};
	struct scrape_exporter_conf conf = { .name = (char *)"job" };
	const struct intake_opts opts = { .source = "job", .max_series = 200, .sink = &sink };
	struct scrape_counts counts = { 0 };
	struct intake *intake;
	struct scrape_page *page;
	struct bl_err err;
	struct told t = { 0 };
	uint32_t bad;

	memset(&s, 0, sizeof(s));
	if ((how & 2) != 0) {
		conf.exclude = (struct bl_conf_strlist){ 2, (char **)ex };
		conf.rename = (struct bl_conf_strmap){ 1, (char **)from, (char **)to };
		conf.labels = (struct bl_conf_strmap){ 1, (char **)from, (char **)to };
	}
	CHECK(intake_open(&intake, &opts, &err) == BL_OK);
	CHECK(scrape_page_create(&page, intake, &conf, &counts, &err) == BL_OK);
	for (unsigned n = 0; n < 2; n++) {
		memset(s.times, 0, sizeof(s.times));
		scrape_page_begin(page, (how & 1) != 0, 1790000000000);
		for (size_t at = 0; at < size; at += piece)
			scrape_page_feed(page, text + at, size - at < piece ? size - at : piece);
		t.none = scrape_page_end(page, true, &bad) != NULL;
		if (t.none)
			scrape_page_unknown(page, BL_UNKNOWN_UNREADABLE);
		else
			(void)scrape_page_put(page, 1000);
		CHECK(n == 0 || (counts.bad_lines == 2 * t.bad && counts.samples == 2 * t.samples));
		if (n == 0)
			t = (struct told){
				.none = t.none, .samples = counts.samples, .bad = counts.bad_lines
			};
	}
	t.n = s.n;
	t.puts = s.puts;
	t.sum = s.sum;
	t.twice = counts.duplicates;
	scrape_page_free(page);
	intake_close(intake);
	return t;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct told a, b;
	char *text;

	if (size == 0)
		return 0;
	bl_log_level_set(BL_LOG_ERROR);
	text = fuzz_text(data + 1, size - 1);
	a = read_pages(text, size - 1, SIZE_MAX / 2, data[0]);
	b = read_pages(text, size - 1, 1 + (data[0] >> 2), data[0]);
	CHECK(a.none == b.none && a.n == b.n && a.puts == b.puts && a.samples == b.samples &&
	      a.bad == b.bad && a.twice == b.twice);
	CHECK(memcmp(&a.sum, &b.sum, sizeof(a.sum)) == 0);
	free(text);
	return 0;
}
