/* The screen of `top`: what fits, what is harmless, and that every size of it is kept to. */
#include "top.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
fits(const char *s, unsigned cols, bool utf8, const char *expected, unsigned used)
{
	struct bl_buf b;

	bl_buf_init(&b, 1000);
	assert_int_equal(top_fit(&b, s, cols, utf8), used);
	bl_buf_u8(&b, '\0');
	assert_string_equal((const char *)b.data, expected);
	bl_buf_free(&b);
}

static void
text_is_cut_by_columns_and_made_harmless(void **state)
{
	(void)state;
	fits("abc", 3, true, "abc", 3);
	fits("abc", 2, true, "ab", 2);
	fits("abc", 0, true, "", 0);
	fits("中文", 4, true, "中文", 4);
	fits("中文", 3, true, "中", 2); /* no half of one */
	fits("中文", 4, false, "??", 2);
	fits("°C µs é", 20, true, "°C µs é", 7);
	/* what a server said, and what it wanted the terminal to do */
	fits("a\033[2Jb", 20, true, "a?[2Jb", 6);
	fits("a\r\n\tb\x7f", 20, true, "a???b?", 6);
	fits("a\xc2\x9b"
	     "2Jb",
	    20, true, "a?2Jb", 5); /* CSI as one character */
	fits("a\x9b"
	     "2Jb\xff",
	    20, true, "a?2Jb?", 6);
	fits("a\xe2\x80\xae"
	     "b",
	    20, true, "a?b", 3); /* right to left from here on */
	fits("e\xcc\x81\xcc\x81", 20, true, "e??", 3);
	fits("\xe4\xb8", 20, true, "??", 2);
	assert_int_equal(top_width("中文ab\033", true), 7);
}

static const char answer[] =
    "{\"status\":{\"device\":\"till-1\",\"site\":\"shop\",\"now_unix_ms\":1000000,"
    "\"health\":{\"state\":\"degraded\",\"problems\":[{\"code\":\"link_down\",\"text\":\"not "
    "connected: x\"},"
    "{\"code\":\"new\",\"text\":\"of a later version\"}]},"
    "\"link\":{\"state\":\"waiting\",\"since_unix_ms\":400000,\"host\":\"b.example\",\"port\":8883,"
    "\"retry_in_ms\":5000},"
    "\"uplink\":{\"last_receipt_unix_ms\":300000},"
    "\"spool\":{\"file_bytes\":1048576,\"max_bytes\":67108864,\"disk\":\"ok\",\"streams\":{"
    "\"host\":{\"waiting_batches\":2,\"oldest_waiting_unix_ms\":940000}}},"
    "\"clock\":{\"trusted\":true,\"uncertainty_ms\":7,\"source\":\"ntp\"},"
    "\"sampling\":{\"interval_ms\":10000,\"series\":4,\"max_series\":5000,\"refused_series\":1}},"
    "\"probes\":[{\"name\":\"shop\",\"kind\":\"http\",\"state\":\"down\",\"interval_ms\":30000,"
    "\"unix_ms\":990000,"
    "\"since_unix_ms\":500000,\"reason\":\"refused\",\"detail\":\"connect "
    "10.0.0.1:80\",\"total_ms\":null},"
    "{\"name\":\"mail\",\"kind\":\"tcp\",\"state\":\"up\",\"interval_ms\":30000,\"unix_ms\":990000,"
    "\"since_unix_ms\":1,\"reason\":\"ok\",\"detail\":\"\",\"total_ms\":12.34}],"
    "\"series\":["
    "{\"name\":\"cpu_used_pct\",\"labels\":{},\"unit\":\"pct\",\"interval_ms\":10000,\"unix_ms\":"
    "995000,\"value\":12.5},"
    "{\"name\":\"disk_used_bytes\",\"labels\":{\"mount\":\"/"
    "\"},\"unit\":\"bytes\",\"interval_ms\":10000,\"unix_ms\":900000,\"value\":3221225472},"
    "{\"name\":\"oven\",\"labels\":{},\"unit\":\"1\",\"interval_ms\":10000,\"unix_ms\":995000,"
    "\"value\":\"+Inf\"},"
    "{\"name\":\"probe_total_ms\",\"labels\":{\"probe\":\"shop\"},\"unit\":\"ms\",\"interval_ms\":"
    "10000,\"unix_ms\":995000,\"value\":null,"
    "\"unknown\":\"timeout\"}]}";

static json_t *
now(void)
{
	json_error_t why;
	json_t *j = json_loads(answer, 0, &why);

	if (j == NULL)
		fail_msg("%s at %d", why.text, why.position);
	return j;
}

/* All lines with newlines between, without blanks at their ends. */
static void
screen(const struct top_view *v, struct top_frame *f, char *out, size_t size)
{
	json_t *j = now();
	size_t n = 0;

	top_draw(j, v, f);
	json_decref(j);
	assert_false(f->text.failed);
	for (unsigned i = 0; i < f->n; i++) {
		n += (size_t)snprintf(out + n, size - n, "%s", top_line(f, i));
		while (n > 0 && out[n - 1] == ' ')
			n--;
		n += (size_t)snprintf(out + n, size - n, "\n");
		assert_true(n < size);
	}
}

static void
all_of_it_once(void **state)
{
	const struct top_view v = { .cols = 80, .filter = "" };
	struct top_frame f = { 0 };
	char text[4096];

	(void)state;
	screen(&v, &f, text, sizeof(text));
	assert_string_equal(text,
	    "Branchline agent  till-1  site shop                             needs attention\n"
	    "! not connected: x\n"
	    "! of a later version\n"
	    "Link      down, waiting to try again, 10 min, b.example:8883, next attempt in 5\n"
	    "Queue     2 batches waiting, oldest 60 s, 1.0 MiB of 64.0 MiB, disk works\n"
	    "Clock     known +-7 ms, ntp\n"
	    "Sampling  4 series, every 10 s, 4 of 5000, 1 refused\n"
	    "Probes\n"
	    "  shop                 http   DOWN             8 min  connection refused: connec\n"
	    "  mail                 tcp    up              16 min     12.3 ms\n"
	    "Current values\n"
	    "  cpu_used_pct                                                          12.5 pct\n"
	    "  disk_used_bytes                  mount=/                               3.0 GiB\n"
	    "  oven                                                                      +Inf\n"
	    "  probe_total_ms                   probe=shop                          (timeout)\n");
	bl_buf_free(&f.text);
}

/* What goes to a file or a program is whole, however long names and labels are. */
static void
nothing_is_cut_without_columns(void **state)
{
	static const char mount[] = "/srv/backups/of/the/till/in/the/back/office/and/of/others";
	const struct top_view v = { .filter = "" };
	struct top_frame f = { 0 };
	json_t *j = now(), *series = json_object_get(j, "series");
	char text[1024];

	(void)state;
	assert_int_equal(json_object_set_new(json_object_get(json_array_get(series, 1), "labels"),
			     "mount", json_string(mount)),
	    0);
	assert_int_equal(json_object_set_new(json_array_get(json_object_get(j, "probes"), 0),
			     "name", json_string("a probe whose name is longer than its column")),
	    0);
	top_draw(j, &v, &f);
	json_decref(j);
	assert_false(f.text.failed);
	assert_int_equal(f.n, 15);
	assert_string_equal(top_line(&f, 8),
	    "  a probe whose name is longer than its column http   DOWN"
	    "             8 min  connection refused: connect 10.0.0.1:80");
	/* A long label moves what is behind it, and no other line. */
	(void)snprintf(text, sizeof(text), "  %-32s mount=%s %18s (100 s) ", "disk_used_bytes",
	    mount, "3.0 GiB");
	assert_ptr_equal(strstr(top_line(&f, 12), text), top_line(&f, 12));
	(void)snprintf(text, sizeof(text), "  %-32s %-28s %18s ", "oven", "", "+Inf");
	assert_string_equal(top_line(&f, 13), text);
	bl_buf_free(&f.text);
}

static void
chinese_and_wide(void **state)
{
	const struct top_view v = { .cols = 120, .filter = "cpu", .zh = true, .utf8 = true };
	struct top_frame f = { 0 };
	char text[4096];

	(void)state;
	screen(&v, &f, text, sizeof(text));
	assert_non_null(strstr(text, "需要关注"));
	assert_non_null(
	    strstr(text, "! 未连接到消息服务器  not connected: x\n! new  of a later version\n"));
	assert_non_null(strstr(text, "故障"));
	assert_non_null(strstr(text, "连接被拒绝: connect 10.0.0.1:80"));
	assert_non_null(strstr(text, "12.5 % "));
	assert_null(strstr(text, "disk_used_bytes"));
	bl_buf_free(&f.text);
}

static void
every_size_is_kept_to(void **state)
{
	struct top_frame f = { 0 };

	(void)state;
	for (unsigned rows = TOP_ROWS_MIN; rows < 40; rows++)
		for (unsigned cols = TOP_COLS_MIN; cols < 130; cols += 7)
			for (unsigned scroll = 0; scroll < 12; scroll++) {
				const struct top_view v = { .rows = rows,
					.cols = cols,
					.scroll = scroll,
					.filter = "",
					.lost = "it is gone",
					.utf8 = cols % 2 == 0,
					.zh = cols % 4 == 0 };
				json_t *j = now();

				top_draw(j, &v, &f);
				json_decref(j);
				assert_int_equal(f.n, rows);
				assert_int_equal(f.body, 8);
				for (unsigned i = 0; i < f.n; i++)
					assert_true(top_width(top_line(&f, i), v.utf8) <= cols);
			}
	bl_buf_free(&f.text);
}

static void
the_body_scrolls_and_the_head_stays(void **state)
{
	struct top_view v = { .rows = 11, .cols = 80, .filter = "" };
	struct top_frame f = { 0 };
	char text[4096];

	(void)state;
	screen(&v, &f, text, sizeof(text));
	assert_int_equal(f.shown, 4); /* 11 - 6 of the head (one reason) - keys */
	assert_non_null(strstr(text, "(+1)"));
	assert_non_null(strstr(text, "1-4/8"));
	assert_null(strstr(text, "oven"));
	v.scroll = 4;
	screen(&v, &f, text, sizeof(text));
	assert_non_null(strstr(text, "5-8/8"));
	assert_non_null(strstr(text, "oven"));
	assert_null(strstr(text, "Probes"));
	assert_non_null(strstr(text, "Queue"));
	bl_buf_free(&f.text);
}

static void
the_filter_leaves_what_matches(void **state)
{
	static const struct {
		const char *filter;
		unsigned body; /* with both headings and two probes */
	} cases[] = {
		{ "", 8 }, { "DISK", 5 },  /* any case */
		{ "mount=/", 5 },          /* labels */
		{ "disk mount", 5 },       /* all words */
		{ "disk cpu", 5 },         /* says that nothing does */
		{ "processors' time", 5 }, /* the description */
	};
	struct top_frame f = { 0 };
	char text[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct top_view v = {
			.rows = 30, .cols = 80, .filter = cases[i].filter, .typing = true
		};

		screen(&v, &f, text, sizeof(text));
		assert_int_equal(f.body, cases[i].body);
		assert_int_equal(strstr(text, "No series matches") != NULL, i == 4);
	}
	bl_buf_free(&f.text);
}

/* Another version's, or nobody's. */
static void
any_json_is_survived(void **state)
{
	static const char *const texts[] = { "{}", "[]",
		"{\"status\":1,\"series\":{},\"probes\":3}",
		"{\"series\":[1,null,{},{\"name\":5,\"value\":{},\"labels\":[1]}],\"probes\":[[],{}"
		"]}",
		"{\"series\":[{\"name\":\"a\",\"value\":1e308,\"unit\":\"bytes\"}]}",
		"{\"series\":[{\"name\":\"a\",\"value\":-1e300,\"unit\":\"x\",\"labels\":{\"k\":1}}"
		"]}" };
	const struct top_view v = { .rows = 24, .cols = 80, .filter = "" };
	struct top_frame f = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *j = json_loads(texts[i], 0, NULL);

		assert_non_null(j);
		top_draw(j, &v, &f);
		json_decref(j);
		assert_int_equal(f.n, 24);
	}
	top_draw(NULL, &v, &f);
	assert_int_equal(f.n, 24);
	bl_buf_free(&f.text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_cut_by_columns_and_made_harmless),
		cmocka_unit_test(all_of_it_once),
		cmocka_unit_test(nothing_is_cut_without_columns),
		cmocka_unit_test(chinese_and_wide),
		cmocka_unit_test(every_size_is_kept_to),
		cmocka_unit_test(the_body_scrolls_and_the_head_stays),
		cmocka_unit_test(the_filter_leaves_what_matches),
		cmocka_unit_test(any_json_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
