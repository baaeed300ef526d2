/*
 * Pages of exporters: what series they make (tests/data/scrape/pages, NAME.txt in the
 * text format, NAME.om in OpenMetrics, NAME.want what is to come of it), and what
 * becomes of what the page before said.
 */
#include "inlet_host.h"
#include "scrape_internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (1024 * 1024)

struct bench {
	struct fake_host *host;
	struct intake *intake;
	struct scrape_page *page;
	struct scrape_counts counts;
	struct scrape_exporter_conf conf;
};

static void
bench_open(struct bench *b, const struct scrape_exporter_conf *conf)
{
	struct intake_opts opts = { .source = "job", .interval_ms = 60000 };
	struct bl_err err;

	memset(b, 0, sizeof(*b));
	b->host = fake_host_create("/nowhere");
	if (conf != NULL)
		b->conf = *conf;
	b->conf.name = (char *)"job";
	opts.max_series = (uint32_t)b->conf.max_series;
	opts.sink = b->host->host.sink;
	assert_int_equal(intake_open(&b->intake, &opts, &err), BL_OK);
	assert_int_equal(
	    scrape_page_create(&b->page, b->intake, &b->conf, &b->counts, &err), BL_OK);
}

static void
bench_close(struct bench *b)
{
	scrape_page_free(b->page);
	intake_close(b->intake);
	fake_host_free(b->host);
}

/* A page in pieces of so many bytes; 0: not put, because it is none. */
static bool
page(struct bench *b, const char *text, size_t len, size_t piece, bool openmetrics)
{
	uint32_t bad;

	scrape_page_begin(b->page, openmetrics, FAKE_HOST_UNIX_MS);
	for (size_t at = 0; at < len; at += piece)
		scrape_page_feed(b->page, text + at, len - at < piece ? len - at : piece);
	if (scrape_page_end(b->page, true, &bad) != NULL)
		return false;
	(void)scrape_page_put(b->page, b->host->ms);
	b->host->host.flush(b->host->host.ctx, b->host->ms);
	return true;
}

static bool
text(struct bench *b, const char *t)
{
	return page(b, t, strlen(t), 7, false);
}

/* ---- what a page makes ---- */

static char *
read_file(const char *path, size_t *len)
{
	char *t = malloc(FILE_MAX);
	FILE *f = fopen(path, "r");

	assert_non_null(t);
	if (f == NULL)
		fail_msg("cannot read %s", path);
	*len = fread(t, 1, FILE_MAX - 1, f);
	assert_true(*len < FILE_MAX - 1);
	t[*len] = '\0';
	fclose(f);
	return t;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
put_series(FILE *f, const struct fake_series *s)
{
	static const char *const why[] = { "", "unreadable", "timeout", "unsupported", "late" };

	for (const char *p = s->key; *p != '\0'; p++)
		if (*p == '\n')
			fputs("\\n", f);
		else
			fputc(*p, f);
	fprintf(f, " %s %s ", s->kind == BL_COUNTER ? "counter" : "gauge", s->unit);
	if (isnan(s->value))
		fprintf(f, "%s", why[s->unknown]);
	else
		fprintf(f, "%.15g", s->value);
}

/* Series in order, then what was left out. */
static char *
told(const struct bench *b)
{
	static const char *const names[] = { "bad_lines", "duplicates" };
	const uint64_t counts[] = { b->counts.bad_lines, b->counts.duplicates };
	char **line = calloc((size_t)b->host->n_series + 1, sizeof(*line)), *out = NULL;
	uint64_t refused[INTAKE_REASONS];
	size_t size;
	FILE *f;

	for (int32_t i = 0; i < b->host->n_series; i++) {
		f = open_memstream(&line[i], &size);
		put_series(f, &b->host->series[i]);
		fclose(f);
	}
	qsort(line, (size_t)b->host->n_series, sizeof(*line), compare);
	f = open_memstream(&out, &size);
	for (int32_t i = 0; i < b->host->n_series; i++) {
		fprintf(f, "%s\n", line[i]);
		free(line[i]);
	}
	free(line);
	for (unsigned i = 0; i < 2; i++)
		if (counts[i] > 0)
			fprintf(f, "%s %llu\n", names[i], (unsigned long long)counts[i]);
	(void)intake_count(b->intake, refused);
	for (unsigned r = 0; r < INTAKE_REASONS; r++)
		if (refused[r] > 0)
			fprintf(
			    f, "%s %llu\n", intake_reason_names[r], (unsigned long long)refused[r]);
	fclose(f);
	return out;
}

/* The first line in which they differ. */
static void
check_told(const char *name, size_t piece, const char *want, const char *got)
{
	size_t at = 0, line = 1;

	while (want[at] == got[at] && want[at] != '\0')
		line += want[at++] == '\n' ? 1 : 0;
	if (want[at] == got[at])
		return;
	while (at > 0 && want[at - 1] != '\n')
		at--;
	fail_msg("%s, pieces of %zu: line %zu:\nwant %.*s\ngot  %.*s", name, piece, line,
	    (int)strcspn(want + at, "\n"), want + at, (int)strcspn(got + at, "\n"), got + at);
}

static void
check_page(const char *folder, const char *name)
{
	const char *dot = strrchr(name, '.');
	const bool openmetrics = strcmp(dot, ".om") == 0;
	static const size_t pieces[] = { FILE_MAX, 1, 13, 1000 };
	char path[1024];
	size_t len, want_len;
	char *t, *want;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	t = read_file(path, &len);
	snprintf(path, sizeof(path), "%s/%.*s.want", folder, (int)(dot - name), name);
	want = read_file(path, &want_len);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		const struct scrape_exporter_conf conf = { .max_series = 4000 };
		struct bench b;
		char *got;

		bench_open(&b, &conf);
		assert_true(page(&b, t, len, pieces[i], openmetrics));
		got = told(&b);
		check_told(name, pieces[i], want, got);
		free(got);
		bench_close(&b);
	}
	free(want);
	free(t);
}

static void
pages_make_these_series(void **state)
{
	static const char folder[] = BL_TEST_DATA "/scrape/pages";
	DIR *dir = opendir(folder);
	struct dirent *e;
	unsigned n = 0;

	(void)state;
	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL) {
		const char *dot = strrchr(e->d_name, '.');

		if (dot == NULL || (strcmp(dot, ".txt") != 0 && strcmp(dot, ".om") != 0))
			continue;
		check_page(folder, e->d_name);
		n++;
	}
	closedir(dir);
	assert_true(n >= 4);
}

/* The same page again, in another order, with other values: what is remembered is right. */
static void
a_page_that_comes_again_is_read_alike(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, NULL);
	assert_true(text(&b, "m 1\nm1{x=\"1\"} 2\nm1 3\nm1{x=\"2\"} 4\n"));
	assert_true(text(&b, "m 11\nm1{x=\"1\"} 12\nm1 13\nm1{x=\"2\"} 14\n"));
	assert_true(fake_host_value(b.host, "m{source=job}") == 11);
	assert_true(fake_host_value(b.host, "m1{source=job,x=1}") == 12);
	assert_true(text(&b, "m1{x=\"2\"} 24\nnew 25\nm1 23\nm 21\nm1{x=\"1\"} 22\n"));
	assert_true(text(&b, "m1{x=\"2\"} 34\nnew 35\nm1 33\nm 31\nm1{x=\"1\"} 32\n"));
	assert_true(fake_host_value(b.host, "m{source=job}") == 31);
	assert_true(fake_host_value(b.host, "m1{source=job,x=1}") == 32);
	assert_true(fake_host_value(b.host, "m1{source=job}") == 33);
	assert_true(fake_host_value(b.host, "m1{source=job,x=2}") == 34);
	assert_true(fake_host_value(b.host, "new{source=job}") == 35);
	assert_int_equal(b.host->n_series, 5);
	assert_int_equal(b.counts.samples, 4 + 4 + 5 + 5);
	bench_close(&b);
}

/* What follows it where it was expected would be a value and a time. */
static void
a_name_that_begins_another_is_not_taken_for_it(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, NULL);
	assert_true(text(&b, "m 1\n"));
	assert_true(text(&b, "m1 7\n"));
	assert_true(isnan(fake_host_value(b.host, "m{source=job}")));
	assert_true(fake_host_value(b.host, "m1{source=job}") == 7);
	assert_true(text(&b, "m1 {a=\"b\"} 8\n"));
	assert_true(fake_host_value(b.host, "m1{a=b,source=job}") == 8);
	assert_int_equal(b.counts.bad_lines, 0);
	bench_close(&b);
}

/* ---- what is not there any more ---- */

static void
check_unknown(const struct bench *b, const char *key, enum bl_unknown why)
{
	const struct fake_series *s = fake_host_series(b->host, key);

	assert_non_null(s);
	assert_true(isnan(s->value));
	assert_int_equal(s->unknown, why);
}

static void
what_vanishes_is_unknown_for_ten_minutes(void **state)
{
	const struct fake_series *a;
	struct bench b;
	uint64_t n;

	(void)state;
	bench_open(&b, NULL);
	assert_true(text(&b, "a 1\nb 2\n"));
	b.host->ms += 60000;
	assert_true(text(&b, "b 3\n"));
	check_unknown(&b, "a{source=job}", BL_UNKNOWN_UNREADABLE);
	b.host->ms += SCRAPE_GONE_MS - 1;
	assert_true(text(&b, "b 3\n"));
	assert_non_null(a = fake_host_series(b.host, "a{source=job}"));
	n = a->n;
	assert_int_equal(n, 3);
	b.host->ms += 1;
	assert_true(text(&b, "b 3\n"));
	assert_int_equal(a->n, n); /* it rests */
	assert_true(text(&b, "c 4\na 5\nb 3\n"));
	assert_true(fake_host_value(b.host, "a{source=job}") == 5);
	assert_true(fake_host_value(b.host, "c{source=job}") == 4);
	assert_int_equal(b.host->n_series, 3);
	bench_close(&b);
}

static void
without_a_page_all_is_unknown(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, NULL);
	assert_true(text(&b, "a 1\nb 2\n"));
	scrape_page_unknown(b.page, BL_UNKNOWN_TIMEOUT);
	check_unknown(&b, "a{source=job}", BL_UNKNOWN_TIMEOUT);
	check_unknown(&b, "b{source=job}", BL_UNKNOWN_TIMEOUT);
	assert_true(text(&b, "a 3\nb 4\n"));
	assert_true(fake_host_value(b.host, "a{source=job}") == 3);
	bench_close(&b);
}

/* A page that ends early says nothing of what it has told, either. */
static void
a_page_that_is_none_puts_nothing(void **state)
{
	static const char cut[] = "a 1\nb 2\n", html[] = "<html>\n<body>404</body>\n</html>\n";
	struct bench b;
	uint32_t bad;

	(void)state;
	bench_open(&b, NULL);
	assert_false(page(&b, cut, strlen(cut), 100, true)); /* no # EOF */
	assert_false(page(&b, html, strlen(html), 100, false));
	assert_int_equal(b.counts.samples, 0);
	assert_int_equal(b.counts.bad_lines, 3);

	/* Where nothing says how long it is, half a number looks like one. */
	scrape_page_begin(b.page, false, FAKE_HOST_UNIX_MS);
	scrape_page_feed(b.page, "a 1\nb 12", 8);
	assert_null(scrape_page_end(b.page, false, &bad));
	assert_int_equal(bad, 2);
	assert_int_equal(scrape_page_put(b.page, 0), 1);
	bench_close(&b);
}

static void
what_follows_the_end_is_not_taken(void **state)
{
	static const char t[] = "a 1\n# EOF\nb 2\n";
	struct bench b;

	(void)state;
	bench_open(&b, NULL);
	assert_true(page(&b, t, strlen(t), 3, true));
	assert_int_equal(b.host->n_series, 1);
	assert_int_equal(b.counts.bad_lines, 1);
	bench_close(&b);
}

/* ---- one series, several lines ---- */

static void
labels_in_another_order_go_on_as_the_same_series(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, NULL);
	assert_true(text(&b, "m{a=\"1\",b=\"2\"} 1\n"));
	assert_true(text(&b, "m{b=\"2\",a=\"1\"} 2\n"));
	assert_true(fake_host_value(b.host, "m{a=1,b=2,source=job}") == 2);
	assert_int_equal(b.counts.duplicates, 0);
	assert_true(text(&b, "m{b=\"2\",a=\"1\"} 3\nm{a=\"1\",b=\"2\"} 4\n"));
	assert_true(fake_host_value(b.host, "m{a=1,b=2,source=job}") == 3);
	assert_int_equal(b.counts.duplicates, 1);
	assert_true(text(&b, "m{a=\"1\",b=\"2\"} 5\n"));
	assert_true(fake_host_value(b.host, "m{a=1,b=2,source=job}") == 5);
	bench_close(&b);
}

static void
another_type_is_asked_for_anew(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, NULL);
	assert_true(text(&b, "# TYPE a gauge\na 1\n"));
	assert_true(text(&b, "# TYPE b counter\nb 1\n# TYPE a gauge\na 2\n"));
	assert_true(fake_host_value(b.host, "a{source=job}") == 2);
	assert_int_equal(fake_host_series(b.host, "b{source=job}")->kind, BL_COUNTER);
	bench_close(&b);
}

/* ---- which series ---- */

static struct bl_conf_strlist
list(char **item, size_t n)
{
	return (struct bl_conf_strlist){ n, item };
}

static void
names_are_chosen_and_changed(void **state)
{
	static const char t[] = "# TYPE req_seconds histogram\nreq_seconds_bucket{le=\"1\"} 1\n"
				"req_seconds_sum 2\nreq_seconds_count 3\nnet{dev=\"lo\"} 4\n"
				"net{dev=\"eth0\"} 5\nnet_errors 6\ngo_info 7\nother 8\n";
	char *in[] = { (char *)"req_*", (char *)"net*", (char *)"go_*" };
	char *ex[] = { (char *)"go_*", (char *)"net{dev=l?}" };
	char *from[] = { (char *)"req_seconds", (char *)"net" };
	char *to[] = { (char *)"checkout_s", (char *)"wire" };
	char *key[] = { (char *)"shop", (char *)"dev" };
	char *value[] = { (char *)"42", (char *)"wan" };
	struct scrape_exporter_conf conf = { .include = list(in, 3), .exclude = list(ex, 2) };
	struct bench b;

	(void)state;
	conf.rename = (struct bl_conf_strmap){ 2, from, to };
	conf.labels = (struct bl_conf_strmap){ 2, key, value };
	bench_open(&b, &conf);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(text(&b, t));
		assert_int_equal(b.host->n_series, 5);
	}
	assert_true(
	    fake_host_value(b.host, "checkout_s_bucket{dev=wan,le=1,shop=42,source=job}") == 1);
	assert_true(fake_host_value(b.host, "checkout_s_sum{dev=wan,shop=42,source=job}") == 2);
	assert_true(fake_host_value(b.host, "checkout_s_count{dev=wan,shop=42,source=job}") == 3);
	assert_true(fake_host_value(b.host, "wire{dev=wan,shop=42,source=job}") == 5);
	assert_true(fake_host_value(b.host, "net_errors{dev=wan,shop=42,source=job}") == 6);
	bench_close(&b);
}

/* An agent that reads its own page would read what it read, and that, and so on. */
static void
what_it_put_itself_does_not_come_back(void **state)
{
	struct bench b;

	(void)state;
	bench_open(&b, NULL);
	assert_true(text(&b, "branchline_load1 1\nbranchline_branchline_load1{source=\"job\"} 1\n"
			     "branchline_x{source=\"other\"} 2\nx{source=\"job\"} 3\n"));
	assert_int_equal(b.host->n_series, 3);
	assert_non_null(fake_host_series(b.host, "branchline_load1{source=job}"));
	assert_non_null(fake_host_series(b.host, "branchline_x{exported_source=other,source=job}"));
	assert_non_null(fake_host_series(b.host, "x{exported_source=job,source=job}"));
	bench_close(&b);
}

/* ---- caps ---- */

static void
more_series_than_may_be_are_counted_each_time(void **state)
{
	const struct scrape_exporter_conf conf = { .max_series = 3 };
	uint64_t refused[INTAKE_REASONS];
	struct bench b;

	(void)state;
	bench_open(&b, &conf);
	for (unsigned i = 1; i <= 3; i++) {
		assert_true(text(&b, "a 1\nb 1\nc 1\nd 1\ne 1\n"));
		assert_int_equal(b.host->n_series, 3);
		(void)intake_count(b.intake, refused);
		assert_int_equal(refused[INTAKE_TOO_MANY], 2 * i);
	}
	assert_int_equal(b.counts.samples, 9);
	bench_close(&b);
}

/* Far more lines that make no series than ones that do, and new ones on each page. */
static void
lines_without_a_series_do_no_harm(void **state)
{
	char *out[] = { (char *)"x*" };
	const struct scrape_exporter_conf conf = { .exclude = list(out, 1) };
	struct bench b;
	char line[64];

	(void)state;
	bench_open(&b, &conf);
	for (unsigned p = 0; p < 3; p++) {
		uint32_t bad;

		scrape_page_begin(b.page, false, FAKE_HOST_UNIX_MS);
		for (unsigned i = 0; i < 5000; i++) {
			snprintf(line, sizeof(line), "x%u_%u 1\n%s", p / 2, i,
			    i % 1000 == 500 ? "cpu_used_pct 1\nkept 7\n" : "");
			scrape_page_feed(b.page, line, strlen(line));
		}
		assert_null(scrape_page_end(b.page, true, &bad));
		assert_int_equal(bad, 0);
		assert_int_equal(scrape_page_put(b.page, 0), 1);
	}
	assert_true(fake_host_value(b.host, "kept{source=job}") == 7);
	assert_int_equal(b.counts.duplicates, 3 * 4);
	bench_close(&b);
}

static void
a_line_that_is_too_long_is_left_out(void **state)
{
	char t[3 * SCRAPE_LINE_MAX + 64];
	size_t n;

	(void)state;
	for (size_t piece = 100; piece < sizeof(t); piece *= 10) {
		struct bench b;

		bench_open(&b, NULL);
		n = (size_t)snprintf(t, sizeof(t), "a 1\n# HELP b %0*d\nb{x=\"%0*d\"} 2\nc 3\n",
		    (int)SCRAPE_LINE_MAX, 0, (int)SCRAPE_LINE_MAX, 0);
		assert_true(page(&b, t, n, piece, false));
		assert_int_equal(b.host->n_series, 2);
		assert_int_equal(b.counts.bad_lines, 1);
		assert_true(fake_host_value(b.host, "c{source=job}") == 3);
		bench_close(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_make_these_series),
		cmocka_unit_test(a_page_that_comes_again_is_read_alike),
		cmocka_unit_test(a_name_that_begins_another_is_not_taken_for_it),
		cmocka_unit_test(what_vanishes_is_unknown_for_ten_minutes),
		cmocka_unit_test(without_a_page_all_is_unknown),
		cmocka_unit_test(a_page_that_is_none_puts_nothing),
		cmocka_unit_test(what_follows_the_end_is_not_taken),
		cmocka_unit_test(labels_in_another_order_go_on_as_the_same_series),
		cmocka_unit_test(another_type_is_asked_for_anew),
		cmocka_unit_test(names_are_chosen_and_changed),
		cmocka_unit_test(what_it_put_itself_does_not_come_back),
		cmocka_unit_test(more_series_than_may_be_are_counted_each_time),
		cmocka_unit_test(lines_without_a_series_do_no_harm),
		cmocka_unit_test(a_line_that_is_too_long_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
