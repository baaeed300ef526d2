/*
 * Drop folders with a scripted host: what is a file to take, what its rows become,
 * and where it goes.
 */
#include "drop_kit.h"

static void
rows_are_reported_and_the_file_is_put_away(void **state)
{
	struct world *w = *state;

	configure(w, steps_conf);
	write_file(
	    w, "a.csv", HEAD "4711,review,begin\r\n\"47,12\",review,end\r\n\r\n4713,review,event");
	pass(w);
	assert_said(w, STEP("begin", "4711", "review") STEP("end", "47,12", "review")
			   STEP("event", "4713", "review"));
	assert_false(is_there(w, "a.csv"));
	assert_string_equal(text_of(w, "done/a.csv") + strlen(HEAD) + 17,
	    "\r\n\"47,12\",review,end\r\n\r\n4713,review,event");
	assert_false(is_there(w, "bad"));
	assert_int_equal(fake_host_count(w->host, "accepted"), 3);
	assert_int_equal(fake_host_count(w->host, "files"), 1);
	assert_int_equal(fake_host_count(w->host, "bad_lines"), 0);
}

static void
a_file_that_is_written_is_waited_for(void **state)
{
	struct world *w = *state;

	configure(w, steps_conf);
	write_file(w, "a.csv", HEAD);
	for (unsigned i = 0; i < 5; i++) {
		put(w, "a.csv", "1,s,begin\n", 10, "a");
		fake_host_pass(w->host, 1500);
		assert_said(w, "");
	}
	pass(w);
	assert_said(w, STEP("begin", "1", "s") STEP("begin", "1", "s") STEP("begin", "1", "s")
			   STEP("begin", "1", "s") STEP("begin", "1", "s"));
	assert_true(is_there(w, "done/a.csv"));
}

/* However long: its writer has opened it and not written yet. */
static void
an_empty_file_is_left_alone(void **state)
{
	struct world *w = *state;

	configure(w, steps_conf);
	write_file(w, "a.csv", "");
	pass(w);
	pass(w);
	assert_true(is_there(w, "a.csv"));
	put(w, "a.csv", HEAD "1,s,begin\n", strlen(HEAD) + 10, "a");
	pass(w);
	assert_said(w, STEP("begin", "1", "s"));
	assert_true(is_there(w, "done/a.csv"));
}

/* Its writer goes on after all: what comes is read, too, before the file goes. */
static void
a_file_that_grows_while_it_is_read_is_read_on(void **state)
{
	struct world *w = *state;

	configure(w, steps_conf);
	w->host->at_once = false;
	write_file(w, "a.csv", HEAD "1,s,begin\n");
	pass(w);
	assert_said(w, STEP("begin", "1", "s"));
	put(w, "a.csv", "2,s,be", 6, "a");
	fake_host_answer(w->host, 0);
	fake_host_pass(w->host, 1000);
	assert_said(w, "");
	put(w, "a.csv", "gin\n", 4, "a");
	pass(w);
	assert_said(w, STEP("begin", "2", "s"));
	assert_true(is_there(w, "a.csv"));
	fake_host_answer(w->host, 0);
	pass(w);
	assert_true(is_there(w, "done/a.csv"));
}

static void
names_say_what_is_no_file_to_take(void **state)
{
	static const char *const names[] = { "a.csv.tmp", ".a.csv", "a.csv~", "a.csv.part", "b.txt",
		"a.csv.filepart" };
	struct world *w = *state;
	char options[512];

	(void)snprintf(options, sizeof(options), "files: [\"*.csv*\"], %s", steps_conf);
	configure(w, options);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		write_file(w, names[i], HEAD "1,s,begin\n");
	assert_int_equal(symlink("/etc/passwd", path_in(w, "link.csv")), 0);
	assert_int_equal(mkfifo(path_in(w, "pipe.csv"), 0600), 0);
	assert_int_equal(mkdir(path_in(w, "folder.csv"), 0700), 0);
	pass(w);
	assert_said(w, "");
	assert_int_equal(count_in(w, "."), sizeof(names) / sizeof(names[0]));
	assert_false(is_there(w, "done"));
	assert_int_equal(rename(path_in(w, "a.csv.tmp"), path_in(w, "a.csv")), 0);
	pass(w);
	assert_said(w, STEP("begin", "1", "s"));
}

static void
a_marker_says_that_a_file_is_complete(void **state)
{
	struct world *w = *state;
	char options[512];

	(void)snprintf(options, sizeof(options), "marker: .done, settle: 1h, %s", steps_conf);
	configure(w, options);
	write_file(w, "a.csv", HEAD "1,s,begin\n");
	pass(w);
	assert_said(w, "");
	write_file(w, "a.csv.done", "");
	pass(w);
	assert_said(w, STEP("begin", "1", "s"));
	assert_true(is_there(w, "done/a.csv"));
	assert_false(is_there(w, "a.csv.done"));
}

static void
lines_that_are_wrong_are_set_aside(void **state)
{
	struct world *w = *state;

	configure(w, steps_conf);
	write_file(w, "a.csv",
	    HEAD "1,s,begin\n,s,begin\n2,s\n3,s,start\n\"4,s,begin\n5,s,begin\n6,s,begin,,"
		 "\n\xb6\xa9,s,begin\n");
	pass(w);
	assert_said(w, STEP("begin", "1", "s") STEP("begin", "5", "s") STEP("begin", "6", "s"));
	assert_string_equal(bad_of(w, "bad/a.csv.bad"),
	    "line 3: case: {nr} is empty\n,s,begin\n"
	    "line 4: expected 3 columns, got 2; a separator within a value wants the value in "
	    "double "
	    "quotes\n2,s\n"
	    "line 5: phase: {state}: expected begin, end or event, got \"start\"\n3,s,start\n"
	    "line 6: a quote that is not closed within 16384 bytes\n\"4,s,begin\n"
	    "line 9: case: {nr} is not UTF-8 text; if it is GBK, say `encoding: "
	    "gbk`\n\xb6\xa9,s,begin\n");
	assert_true(is_there(w, "done/a.csv"));
	assert_int_equal(fake_host_count(w->host, "bad_lines"), 5);
	assert_int_equal(fake_host_count(w->host, "accepted"), 3);
}

/* What the agent refuses for good: a name of its own, a time too far away. */
static void
what_the_host_refuses_is_set_aside_with_its_reason(void **state)
{
	struct world *w = *state;

	configure(w, steps_conf);
	w->host->rc = BL_EINVAL;
	w->host->rc_text = "its time: too far away";
	write_file(w, "a.csv", HEAD "1,s,begin\n");
	pass(w);
	assert_string_equal(
	    bad_of(w, "bad/a.csv.bad"), "line 2: its time: too far away\n1,s,begin\n");
	assert_true(is_there(w, "done/a.csv"));
}

static void
a_second_file_of_a_name_overwrites_nothing(void **state)
{
	struct world *w = *state;

	configure(w, steps_conf);
	for (unsigned i = 0; i < 3; i++) {
		write_file(w, "a.csv",
		    i == 0   ? HEAD "1,s\n"
		    : i == 1 ? HEAD "22,s\n"
			     : HEAD "333,s\n");
		pass(w);
	}
	assert_int_equal(count_in(w, "done"), 3);
	assert_int_equal(count_in(w, "bad"), 3);
	assert_non_null(strstr(bad_of(w, "bad/a.csv.bad"), "\n1,s\n"));
}

static void
files_that_are_none_are_refused_as_a_whole(void **state)
{
	static const struct {
		const char *text, *why;
		size_t len;
	} cases[] = {
		{ "nr,state\n1,begin\n", "no column \"step\"; there are: nr, state", 17 },
		{ "nr,step,nr,state\n", "column \"nr\" stands twice", 17 },
		{ "\xb6\xa9\xb5\xa5,step,state\n",
		    "no column \"nr\"; there are: names that are no text in the folder's `encoding` "
		    "(utf-8 where none is said); say the file's",
		    16 },
		{ "\"nr,step\n", "a quote that is not closed within 16384 bytes", 9 },
	};
	struct world *w = *state;
	char name[32], bad[40], want[256];

	configure(w, steps_conf);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(name, sizeof(name), "%zu.csv", i);
		put(w, name, cases[i].text, cases[i].len, "w");
	}
	pass(w);
	assert_said(w, "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(bad, sizeof(bad), "bad/%zu.csv.bad", i);
		(void)snprintf(want, sizeof(want), "the whole file: %s\n", cases[i].why);
		assert_string_equal(bad_of(w, bad), want);
		(void)snprintf(bad, sizeof(bad), "bad/%zu.csv", i);
		assert_true(is_there(w, bad));
	}
	assert_int_equal(fake_host_count(w->host, "bad_files"), 4);
}

static void
what_spreadsheets_write_is_understood(void **state)
{
	struct world *w = *state;

	configure(w,
	    "separator: \";\", reports: [{report: step, case: \"{订单号}\", step: \"{步骤}\", "
	    "begin: \"{开始}\", end: \"{结束}\", zone: Asia/Shanghai, time_format: \"%Y/%m/%d "
	    "%H:%M\", attributes: {负责人: \"{负责人}\", 金额: \"{金额}\"}}]");
	write_file(w, "a.csv",
	    "\xef\xbb\xbfsep=,\r\n订单号, 步骤 ,开始,结束,负责人,金额,\r\n"
	    "D-1,审核,2026/9/21 21:00,2026/9/21 21:05,\"李, 华\",12.5,\r\nD-2,发货,2026/9/21 "
	    "22:00,,,,\r\n");
	pass(w);
	assert_said(w, "event step.begin at=1789995600000 process=default case=D-1 step=审核 "
		       "负责人=李, 华 金额=12.5\n"
		       "event step.end at=1789995900000 process=default case=D-1 step=审核 "
		       "负责人=李, 华 金额=12.5\n"
		       "event step.begin at=1789999200000 process=default case=D-2 step=发货\n");
}

static void
columns_may_be_named_by_the_configuration(void **state)
{
	struct world *w = *state;
	char options[512];

	(void)snprintf(
	    options, sizeof(options), "columns: [step, nr, state], separator: tab, %s", steps_conf);
	configure(w, options);
	write_file(w, "a", "s\t1\tbegin\n");
	pass(w);
	assert_said(w, STEP("begin", "1", "s"));
}

static void
json_lines_keep_their_types(void **state)
{
	struct world *w = *state;

	configure(w, "format: jsonl, reports: [{report: event, type: \"{what}\", attributes: {a: "
		     "\"{a}\", b: \"{o.b}\", c: \"n {a}\"}}]");
	write_file(w, "a.jsonl",
	    "{\"what\":\"x\",\"a\":12.5,\"o\":{\"b\":true},\"more\":[]}\n"
	    "{\"what\":\"x\",\"a\":\"007\",\"o\":null}\n\n"
	    "{\"what\":\"x\",\"a\":1234567890123456}\n"
	    "{\"what\":\"x\",\"a\":[1]}\n[1]\n{\"what\":\n{\"what\":\"x\",\"what\":\"y\"}\n{\"a\":"
	    "1}\n");
	pass(w);
	assert_said(w, "event x a=12.5 b=true c=n 12.5\nevent x a=007 c=n 007\n"
		       "event x a=1234567890123456 c=n 1234567890123456\n");
	assert_non_null(strstr(bad_of(w, "bad/a.jsonl.bad"),
	    "line 5: \"a\": expected text, a number, true, false or null, got a list or an object\n"
	    "{\"what\":\"x\",\"a\":[1]}\n"
	    "line 6: expected a JSON object, {\"name\": value, ...}\n[1]\n"
	    "line 7: not valid JSON: column 8: "));
	assert_int_equal(fake_host_count(w->host, "bad_lines"), 5);
}

static void
several_mappings_make_several_reports_or_none(void **state)
{
	struct world *w = *state;

	configure(w,
	    "reports: [{report: step, case: \"{nr}\", step: s, phase: begin, when: {state: new}}, "
	    "{report: metric, name: amount, value: \"{amount}\", when: {amount: \"*\"}}]");
	write_file(w, "a.csv", "nr,state,amount\n1,new,5\n2,old,6\n3,new,\n4,old,\n5,new,much\n");
	pass(w);
	assert_said(w, "event step.begin process=default case=1 step=s\n"
		       "metric amount=5 unit=1 kind=gauge\nmetric amount=6 unit=1 kind=gauge\n"
		       "event step.begin process=default case=3 step=s\n");
	assert_int_equal(fake_host_count(w->host, "other_rows"), 1);
	assert_int_equal(fake_host_count(w->host, "bad_lines"), 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(rows_are_reported_and_the_file_is_put_away),
		T(a_file_that_is_written_is_waited_for),
		T(an_empty_file_is_left_alone),
		T(a_file_that_grows_while_it_is_read_is_read_on),
		T(names_say_what_is_no_file_to_take),
		T(a_marker_says_that_a_file_is_complete),
		T(lines_that_are_wrong_are_set_aside),
		T(what_the_host_refuses_is_set_aside_with_its_reason),
		T(a_second_file_of_a_name_overwrites_nothing),
		T(files_that_are_none_are_refused_as_a_whole),
		T(what_spreadsheets_write_is_understood),
		T(columns_may_be_named_by_the_configuration),
		T(json_lines_keep_their_types),
		T(several_mappings_make_several_reports_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
