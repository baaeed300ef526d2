/* Log lines: one write a line, levels, nothing that forges a second line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "branchline/log.h"

static int pipe_read = -1, stderr_kept = -1;

static int
stderr_to_pipe(void **state)
{
	int ends[2];

	(void)state;
	(void)unsetenv("JOURNAL_STREAM");
	(void)unsetenv("BL_LOG_PREFIX");
	bl_log_level_set(BL_LOG_INFO);
	if (pipe(ends) != 0 || (stderr_kept = dup(STDERR_FILENO)) < 0 ||
	    dup2(ends[1], STDERR_FILENO) < 0 || close(ends[1]) != 0)
		return -1;
	pipe_read = ends[0];
	return 0;
}

static int
stderr_back(void **state)
{
	(void)state;
	if (dup2(stderr_kept, STDERR_FILENO) < 0 || close(stderr_kept) != 0)
		return -1;
	return close(pipe_read);
}

/* What was logged since; a marker makes sure that there is something to read. */
static const char *
logged(void)
{
	static char text[8192];
	ssize_t n;

	assert_int_equal(write(STDERR_FILENO, "$", 1), 1);
	n = read(pipe_read, text, sizeof(text) - 1);
	assert_true(n > 0 && text[n - 1] == '$');
	text[n - 1] = '\0';
	return text;
}

static void
a_line_has_level_module_and_text(void **state)
{
	(void)state;
	bl_warn("spool", "trimmed batches=%d", 3);
	assert_string_equal(logged(), "warn  spool: trimmed batches=3\n");
}

static void
a_line_has_its_time_when_asked(void **state)
{
	const char *line;

	(void)state;
	assert_int_equal(setenv("BL_LOG_TIME", "1", 1), 0);
	bl_warn("m", "x");
	assert_int_equal(unsetenv("BL_LOG_TIME"), 0);
	line = logged();
	assert_int_equal(strlen(line), strlen("2026-11-22T10:34:32.123Z warn  m: x\n"));
	assert_true(line[4] == '-' && line[10] == 'T' && line[19] == '.');
	assert_string_equal(line + strlen("2026-11-22T10:34:32.123"), "Z warn  m: x\n");
}

static void
lines_above_the_level_are_dropped(void **state)
{
	(void)state;
	bl_debug("m", "x");
	assert_string_equal(logged(), "");
	bl_log_level_set(BL_LOG_DEBUG);
	bl_debug("m", "x");
	assert_string_equal(logged(), "debug m: x\n");
	bl_log_level_set(BL_LOG_ERROR);
	bl_warn("m", "x");
	bl_error("m", "y");
	assert_string_equal(logged(), "error m: y\n");
}

static void
the_journal_gets_its_priority(void **state)
{
	(void)state;
	(void)setenv("BL_LOG_PREFIX", "1", 1);
	bl_error("m", "x");
	bl_info("m", "y");
	assert_string_equal(logged(), "<3>error m: x\n<6>info  m: y\n");
}

static void
input_cannot_forge_a_line(void **state)
{
	(void)state;
	bl_info("m", "name=%s", "a\nerror m: b\r\x1b[2J\x7f");
	assert_string_equal(logged(), "info  m: name=a error m: b  [2J \n");
}

static void
long_lines_are_cut_and_end(void **state)
{
	char text[4000];
	const char *line;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	bl_info("m", "%s", text);
	line = logged();
	assert_in_range(strlen(line), 900, 1024);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	bl_info(text, "x");
	line = logged();
	assert_in_range(strlen(line), 900, 1024);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void
levels_have_names(void **state)
{
	static const struct {
		const char *name;
		bool ok;
		enum bl_log_level level;
	} cases[] = {
		{ "error", true, BL_LOG_ERROR },
		{ "warn", true, BL_LOG_WARN },
		{ "info", true, BL_LOG_INFO },
		{ "debug", true, BL_LOG_DEBUG },
		{ "Info", false, BL_LOG_WARN },
		{ "", false, BL_LOG_WARN },
		{ "information", false, BL_LOG_WARN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum bl_log_level level = BL_LOG_WARN;

		assert_int_equal(bl_log_level_parse(cases[i].name, &level), cases[i].ok);
		assert_int_equal(level, cases[i].level);
	}
}

static void
repeats_are_limited_and_counted(void **state)
{
	static const struct {
		int64_t now_ms;
		bool passes;
		unsigned suppressed;
	} steps[] = {
		{ 5, true, 0 },
		{ 6, false, 0 },
		{ 1004, false, 0 },
		{ 1005, true, 2 },
		{ 1006, false, 0 },
		{ 9000, true, 1 },
	};
	struct bl_log_limit limit = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		unsigned suppressed = 0;

		assert_int_equal(
		    bl_log_allow(&limit, steps[i].now_ms, 1000, &suppressed), steps[i].passes);
		assert_int_equal(suppressed, steps[i].suppressed);
	}
}

#define WITH_PIPE(test) cmocka_unit_test_setup_teardown(test, stderr_to_pipe, stderr_back)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PIPE(a_line_has_level_module_and_text),
		WITH_PIPE(a_line_has_its_time_when_asked),
		WITH_PIPE(lines_above_the_level_are_dropped),
		WITH_PIPE(the_journal_gets_its_priority),
		WITH_PIPE(input_cannot_forge_a_line),
		WITH_PIPE(long_lines_are_cut_and_end),
		cmocka_unit_test(levels_have_names),
		cmocka_unit_test(repeats_are_limited_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
