/*
 * Who may get at a file with a secret: by its mode, and where it lies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "branchline/secret.h"

#include "folder.h"
#include "probe_secret.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char top[FOLDER_MAX];

static int
setup(void **state)
{
	(void)state;
	folder_make(top, "secret");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	(void)unsetenv("CREDENTIALS_DIRECTORY");
	folder_remove(top);
	return 0;
}

/* TOP/unit/name; what systemd gives a service lies in its folder, and not below. */
static void
lay(char path[256], const char *name, mode_t folder_mode, mode_t mode)
{
	char folder[128];
	FILE *f;

	(void)snprintf(folder, sizeof(folder), "%s/unit", top);
	(void)mkdir(folder, 0700);
	(void)snprintf(path, 256, "%s/deeper", folder);
	(void)mkdir(path, 0700);
	(void)snprintf(path, 256, "%s/%s", folder, name);
	assert_non_null(f = fopen(path, "w"));
	assert_true(fputs("s3cret\n", f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
	assert_int_equal(chmod(folder, folder_mode), 0);
}

static void
what_the_service_manager_hands_over_is_not_open(void **state)
{
	static const struct {
		const char *what, *given; /* below TOP; NULL: no $CREDENTIALS_DIRECTORY */
		const char *name;
		mode_t folder, mode;
		uid_t owner;
		bool open;
	} c[] = {
		{ "systemd < 254", "unit", "a", 0500, 0400, 0, false },
		{ "systemd >= 254: the list's mask is the group's bits", "unit", "a", 0550, 0440, 0,
		    false },
		{ "the same for a folder of the user", "unit", "a", 0500, 0440, 0, false },
		{ "no service manager's", NULL, "a", 0550, 0440, 0, true },
		{ "another folder", "other", "a", 0550, 0440, 0, true },
		{ "the beginning of its name", "uni", "a", 0550, 0440, 0, true },
		{ "below the folder", "unit", "deeper/a", 0550, 0440, 0, true },
		{ "the world", "unit", "a", 0550, 0444, 0, true },
		{ "the world alone", "unit", "a", 0550, 0404, 0, true },
		{ "the group may write", "unit", "a", 0550, 0460, 0, true },
		{ "the folder is the world's", "unit", "a", 0555, 0440, 0, true },
		{ "the group may change the folder", "unit", "a", 0570, 0440, 0, true },
		{ "somebody's", "unit", "a", 0550, 0440, 12345, true },
		{ "mode 0600 wherever it lies", NULL, "a", 0755, 0600, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		char path[256], given[128], read[PROBE_SECRET_MAX + 1];
		struct bl_err err = { 0 };
		struct stat st;
		bool open;

		lay(path, c[i].name, c[i].folder, c[i].mode);
		(void)snprintf(given, sizeof(given), "%s/%s", top, c[i].given ? c[i].given : "");
		if (c[i].given == NULL)
			(void)unsetenv("CREDENTIALS_DIRECTORY");
		else
			assert_int_equal(setenv("CREDENTIALS_DIRECTORY", given, 1), 0);
		assert_int_equal(stat(path, &st), 0);
		if (c[i].owner != 0)
			st.st_uid = c[i].owner;
		open = bl_secret_is_open(path, &st);
		if (open != c[i].open)
			fail_msg("%s: %s", c[i].what, open ? "open" : "closed");
		/* And so says who reads one. */
		if (c[i].owner == 0 && (probe_secret_read(read, path, &err) < 0) != c[i].open)
			fail_msg("%s: reading it says \"%s\"", c[i].what, err.msg);
		(void)snprintf(given, sizeof(given), "%s/unit", top);
		assert_int_equal(chmod(given, 0700), 0);
		assert_int_equal(unlink(path), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    what_the_service_manager_hands_over_is_not_open, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
