/*
 * Pages by chance, each another mixture of the same series (some there, some gone, in any order,
 * labels in any order, some twice), against a model that knows no line: after each page every
 * series has the value that stood there first, is unknown while it is missed, and then rests.
 */
#include "scrape_internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "folder.h"

#define SERIES    24u
#define PAGES     60u
#define MINUTE_MS 60000

/* Names that begin each other, with and without labels; how each may be written. */
static const struct {
	const char *key, *text, *other;
} series[SERIES] = {
	{ "m,source=job", "m", NULL },
	{ "m1,source=job", "m1", "m1{}" },
	{ "m10,source=job", "m10", NULL },
	{ "m_total,source=job", "m_total", NULL },
	{ "m,a=1,source=job", "m{a=\"1\"}", "m {a=\"1\"}" },
	{ "m,a=1,b=2,source=job", "m{a=\"1\",b=\"2\"}", "m{b=\"2\",a=\"1\"}" },
	{ "m1,a=1,b=2,source=job", "m1{a=\"1\",b=\"2\"}", "m1{ b = \"2\" , a=\"1\", }" },
	{ "m,a=10,source=job", "m{a=\"10\"}", NULL },
	{ "m,a=1 ,source=job", "m{a=\"1 \"}", NULL },
	{ "m,a=},source=job", "m{a=\"}\"}", NULL },
	{ "m,a=\",source=job", "m{a=\"\\\"\"}", NULL },
	{ "m,a=\\,source=job", "m{a=\"\\\\\"}", NULL },
	{ "h_bucket,le=1,source=job", "h_bucket{le=\"1\"}", NULL },
	{ "h_bucket,le=+Inf,source=job", "h_bucket{le=\"+Inf\"}", NULL },
	{ "h_sum,source=job", "h_sum", NULL },
	{ "h_count,source=job", "h_count", NULL },
	{ "h,source=job", "h", NULL },
	{ "hh_sum,source=job", "hh_sum", NULL },
	{ "x,source=job,y=z", "x{y=\"z\"}", "x{y=\"z\",e=\"\"}" },
	{ "x,source=job", "x", "x{}" },
	{ "xx,source=job", "xx", NULL },
	{ "x_y,source=job", "x_y", "X_Y" },
	{ "x_1,source=job", "x_1", NULL },
	{ "x,exported_source=1,source=job", "x{source=\"1\"}", NULL },
};

struct model {
	bool known;     /* it was on a page */
	bool here;      /* on this one, with */
	double value;   /* its first value there */
	int64_t missed; /* since when; -1: it is not */
};

/* By place of the series; a handle is one. */
struct sink {
	unsigned puts[SERIES]; /* since the page began */
	double value[SERIES];  /* NAN: unknown */
};

static uint64_t state;
static unsigned round_no, page_no;

static unsigned
below(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state >> 20) % n);
}

/* ---- the sink ---- */

static int32_t
sink_declare(void *ctx, const struct bl_series_def *def)
{
	char key[256];
	size_t n = (size_t)snprintf(key, sizeof(key), "%.*s", (int)def->name.len, def->name.p);

	(void)ctx;
	for (uint32_t i = 0; i < def->n_labels; i++)
		n += (size_t)snprintf(key + n, sizeof(key) - n, ",%.*s=%.*s",
		    (int)def->label[i].key.len, def->label[i].key.p, (int)def->label[i].value.len,
		    def->label[i].value.p);
	for (unsigned i = 0; i < SERIES; i++)
		if (strcmp(series[i].key, key) == 0)
			return (int32_t)i;
	fail_msg("nobody wrote %s", key);
	return -1;
}

static void
sink_put(void *ctx, int32_t handle, double value)
{
	struct sink *s = ctx;

	s->puts[handle]++;
	s->value[handle] = value;
}

static void
sink_unknown(void *ctx, int32_t handle, enum bl_unknown reason)
{
	assert_int_not_equal(reason, BL_KNOWN);
	sink_put(ctx, handle, (double)NAN);
}

/* ---- pages ---- */

static void
shuffle(unsigned order[SERIES], unsigned times)
{
	while (times-- > 0) {
		const unsigned i = below(SERIES), k = below(SERIES), t = order[i];

		order[i] = order[k];
		order[k] = t;
	}
}

static void
put_line(FILE *f, struct model *m, unsigned i)
{
	const char *text =
	    series[i].other != NULL && below(3) == 0 ? series[i].other : series[i].text;
	const double v = (double)below(1u << 30) / 1000;

	fprintf(f, "%s %.17g%s\n", text, v, below(4) == 0 ? " " : "");
	if (!m[i].here)
		m[i].value = v;
	m[i].here = m[i].known = true;
}

static char *
make_page(struct model *m, unsigned order[SERIES], size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	for (unsigned i = 0; i < SERIES; i++)
		m[i].here = false;
	shuffle(order, below(4) == 0 ? SERIES : below(3));
	fprintf(f, "# HELP m %u\n# TYPE h histogram\n", below(1000));
	for (unsigned n = 0; n < SERIES; n++) {
		if (below(8) > 0)
			put_line(f, m, order[n]);
		if (below(20) == 0)
			put_line(f, m, below(SERIES)); /* again, or before its turn */
	}
	fclose(f);
	return text;
}

static void
read_page(struct scrape_page *p, const char *text, size_t len, int64_t now)
{
	const size_t piece = 1 + below(200);
	uint32_t bad;

	scrape_page_begin(p, false, 0);
	for (size_t at = 0; at < len; at += piece)
		scrape_page_feed(p, text + at, len - at < piece ? len - at : piece);
	assert_null(scrape_page_end(p, true, &bad));
	assert_int_equal(bad, 0);
	(void)scrape_page_put(p, now);
}

static void
check_series(struct model *m, const struct sink *s, unsigned i, int64_t now)
{
	unsigned puts = m->known ? 1 : 0;
	bool right;

	if (m->here)
		m->missed = -1;
	else if (m->missed < 0)
		m->missed = now;
	if (!m->here && now - m->missed >= SCRAPE_GONE_MS)
		puts = 0;
	right = s->puts[i] == puts;
	if (right && puts == 1)
		right = m->here ? s->value[i] == m->value : isnan(s->value[i]);
	if (!right)
		fail_msg("round %u, page %u, %s: put %u times, %g", round_no, page_no,
		    series[i].key, s->puts[i], s->value[i]);
}

static void
run_pages(uint64_t seed)
{
	struct model m[SERIES] = { 0 };
	struct sink s;
	struct sample_sink sink = {
		.ctx = &s, .declare = sink_declare, .put = sink_put, .unknown = sink_unknown
	};
	const struct scrape_exporter_conf conf = { .name = (char *)"job" };
	const struct intake_opts opts = { .source = "job", .max_series = SERIES, .sink = &sink };
	struct scrape_counts counts = { 0 };
	unsigned order[SERIES];
	struct intake *intake;
	struct scrape_page *page;
	struct bl_err err;
	int64_t now = 1;

	state = seed;
	for (unsigned i = 0; i < SERIES; i++)
		order[i] = i;
	assert_int_equal(intake_open(&intake, &opts, &err), BL_OK);
	assert_int_equal(scrape_page_create(&page, intake, &conf, &counts, &err), BL_OK);
	for (page_no = 0; page_no < PAGES; page_no++) {
		size_t len;
		char *text = make_page(m, order, &len);

		memset(&s, 0, sizeof(s));
		read_page(page, text, len, now);
		for (unsigned i = 0; i < SERIES; i++)
			check_series(&m[i], &s, i, now);
		free(text);
		now += (int64_t)below(7) * MINUTE_MS;
	}
	scrape_page_free(page);
	intake_close(intake);
}

static void
every_series_has_what_its_page_says(void **unused)
{
	const unsigned n = rounds(40, 4000);

	(void)unused;
	for (round_no = 1; round_no <= n; round_no++)
		run_pages(round_no * 0x9e3779b97f4a7c15ull);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_series_has_what_its_page_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
