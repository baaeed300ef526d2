/*
 * Files: trees that this test makes, held against find; what may hang is not
 * touched; caps.
 */
#include "sample_harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sample_files_internal.h"

#define MOUNTS                                                                                     \
	"20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"                                                    \
	"21 20 0:30 / /mnt/share rw - nfs4 server:/share rw\n"                                     \
	"22 21 8:2 / /mnt/share/disk rw - ext4 /dev/sdb1 rw\n"                                     \
	"23 20 0:31 / /srv rw - fuse.sshfs host: rw\n"                                             \
	"24 20 0:32 / /auto rw - autofs systemd-1 rw\n"                                            \
	"25 20 0:33 / /run rw - tmpfs tmpfs rw\n"

static struct recorder rec;

static void
tick(struct running *r, int64_t boot_ms, int expected)
{
	struct sample_sink sink = sink_of(&rec);
	struct bl_err err = { 0 };

	rec_tick(&rec);
	if (r->ops->sample(r->s, boot_ms, &sink, &err) != expected)
		fail_msg("expected %d: %s", expected, err.msg);
}

/* A file of so many bytes that was changed so long ago. */
static void
put_aged(const char *root, const char *path, size_t bytes, int64_t age_s)
{
	static const char zeros[4096];
	char full[512];
	struct timespec t[2];

	snprintf(full, sizeof(full), "%s%s", root, path);
	put_file(full, zeros, bytes);
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &t[0]), 0);
	t[0].tv_sec -= age_s;
	t[1] = t[0];
	assert_int_equal(utimensat(AT_FDCWD, full, t, 0), 0);
}

static void
make_root(char *root, size_t size)
{
	char path[128];

	root_make(root, size);
	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
	put_file(path, MOUNTS, strlen(MOUNTS));
}

/* Ages grow while the test runs. */
static void
age_is(const char *key, double s)
{
	const double v = value_of(&rec, key);

	if (!(v >= s && v < s + 600))
		fail_msg("%s: %g, expected %g", key, v, s);
}

/* What find says: files and bytes below a folder. */
static void
ask_find(const char *folder, const char *options, double *n, double *bytes)
{
	char command[512];
	long long size;
	FILE *f;

	snprintf(command, sizeof(command), "find %s -type f %s -printf '%%s\\n'", folder, options);
	f = popen(command, "r");
	assert_non_null(f);
	for (*n = *bytes = 0; fscanf(f, "%lld", &size) == 1; *n += 1)
		*bytes += (double)size;
	assert_int_equal(pclose(f), 0);
}

#define OPTIONS                                                                                    \
	"every: 10s\nmax_entries: 40\nwatch:\n"                                                    \
	"  - {name: backup, path: /var/backup.tar}\n"                                              \
	"  - {name: orders, path: /var/spool/orders, match: '*.xml'}\n"                            \
	"  - {name: tree, path: /var/spool, match: '*', recursive: yes}\n"                         \
	"  - {name: none, path: /var/none, match: '*'}\n"

static void
trees_are_counted_as_find_counts_them(void **state)
{
	char root[64], path[128], target[128];
	double n, bytes;
	struct running r;

	(void)state;
	make_root(root, sizeof(root));
	put_aged(root, "/var/backup.tar", 1234, 7200);
	put_aged(root, "/var/spool/orders/a.xml", 100, 50);
	put_aged(root, "/var/spool/orders/b.xml", 10, 90000);
	put_aged(root, "/var/spool/orders/c.txt", 1, 100000);
	put_aged(root, "/var/spool/orders/old/d.xml", 4000, 200000);
	put_aged(root, "/var/spool/.hidden", 7, 3);
	snprintf(path, sizeof(path), "%s/var/spool/orders/e.xml", root);
	snprintf(target, sizeof(target), "%s/var/backup.tar", root);
	assert_int_equal(symlink(target, path), 0);
	snprintf(path, sizeof(path), "%s/var/spool/loop", root);
	assert_int_equal(symlink("..", path), 0);
	memset(&rec, 0, sizeof(rec));
	run_open(&r, ops_of("files"), OPTIONS, root);

	tick(&r, 60000, BL_OK);
	assert_true(value_of(&rec, "file_exists{backup}") == 1);
	assert_true(value_of(&rec, "file_size_bytes{backup}") == 1234);
	age_is("file_age_s{backup}", 7200);
	snprintf(path, sizeof(path), "%s/var/spool/orders", root);
	ask_find(path, "-maxdepth 1 -name '*.xml'", &n, &bytes);
	assert_true(n == 2 && value_of(&rec, "file_count{orders}") == n);
	assert_true(value_of(&rec, "file_size_bytes{orders}") == bytes);
	age_is("file_age_s{orders}", 50);
	age_is("file_oldest_age_s{orders}", 90000);
	snprintf(path, sizeof(path), "%s/var/spool", root);
	ask_find(path, "", &n, &bytes);
	assert_true(n == 5 && value_of(&rec, "file_count{tree}") == n);
	assert_true(value_of(&rec, "file_size_bytes{tree}") == bytes);
	age_is("file_oldest_age_s{tree}", 200000);
	assert_true(value_of(&rec, "file_exists{none}") == 0);
	assert_true(value_of(&rec, "file_count{none}") == 0);
	assert_true(isnan(value_of(&rec, "file_age_s{none}")));

	/* gone: there is nothing that has an age; from the future: no age yet */
	assert_int_equal(unlink(target), 0);
	put_aged(root, "/var/spool/orders/a.xml", 100, -5000);
	tick(&r, 70000, BL_OK);
	assert_true(value_of(&rec, "file_exists{backup}") == 0);
	assert_true(isnan(value_of(&rec, "file_age_s{backup}")));
	assert_true(value_of(&rec, "file_age_s{orders}") == 0);

	/* too many: nothing is claimed, and the others are not hurt */
	for (int i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "/var/spool/orders/old/%d", i);
		put_aged(root, path, 1, 1);
	}
	tick(&r, 80000, BL_EFULL);
	assert_true(isnan(value_of(&rec, "file_count{tree}")));
	assert_true(isnan(value_of(&rec, "file_exists{tree}")));
	assert_true(value_of(&rec, "file_count{orders}") == 2);
	run_close(&r);
	remove_tree(root);
}

static void
folders_deeper_than_the_cap_are_not_claimed(void **state)
{
	char root[64], path[512];
	struct files_found found;
	struct bl_err err = { 0 };
	struct files_look look = { path, "*", true, 1000 };
	size_t len;

	(void)state;
	make_root(root, sizeof(root));
	len = (size_t)snprintf(path, sizeof(path), "%s/deep", root);
	for (unsigned i = 0; i < FILES_DEPTH - 1; i++)
		len += (size_t)snprintf(path + len, sizeof(path) - len, "/d");
	snprintf(path + len, sizeof(path) - len, "/f");
	put_file(path, "x", 1);
	snprintf(path, sizeof(path), "%s/deep", root);
	assert_int_equal(files_look(&look, &found, &err), BL_OK);
	assert_false(found.more);
	assert_int_equal(found.count, 1);

	snprintf(path, sizeof(path), "%s", root);
	assert_int_equal(files_look(&look, &found, &err), BL_OK);
	assert_true(found.more);
	remove_tree(root);
}

static void
what_may_hang_is_not_touched(void **state)
{
	static const struct {
		const char *path;
		bool harmless, with_sshfs;
	} c[] = {
		{ "/var/log/syslog", true, true },
		{ "/run/lock", true, true },
		{ "/mnt/share", false, false },
		{ "/mnt/share/a", false, false },
		{ "/mnt/share/disk/a", false, false }, /* local, but the way leads over the net */
		{ "/mnt/shared", true, true },
		{ "/srv/data", false, true },
		{ "/auto/x", false, false },
	};
	char *sshfs = "fuse.sshfs";
	const struct bl_conf_strlist none = { 0 }, one = { 1, &sshfs };

	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		const size_t len = strlen(MOUNTS);

		if (sample_mounts_harmless(MOUNTS, len, &none, c[i].path) != c[i].harmless ||
		    sample_mounts_harmless(MOUNTS, len, &one, c[i].path) != c[i].with_sshfs)
			fail_msg("%s", c[i].path);
	}
	assert_false(sample_mounts_harmless("", 0, &none, "/"));
}

/* Links on the way, to a share and elsewhere. */
static void
links_are_followed_before_anything_is_touched(void **state)
{
	static const struct {
		const char *at, *target; /* below the root */
	} link[] = {
		{ "/var/log/app", "/mnt/share/logs" },
		{ "/var/log/near", "../../mnt/share" },
		{ "/var/log/chain", "app" },
		{ "/var/log/here", "other" },
		{ "/var/lock", "/run/lock" },
		{ "/var/loop", "/var/loop" },
		{ "/var/ping", "/var/pong" },
		{ "/var/pong", "/var/ping" },
		{ "/var/dotted", "log/here/../../../mnt/share" },
		{ "/var/..data", "log" },
		{ "/var/current", "..data/other" },
		{ "/var/top", "/" },
		{ "/var/up", "../../../../../var/log/./other" },
		{ "/opt/a", "b//c" },
	};
	static const struct {
		const char *path;
		bool harmless;
	} c[] = {
		{ "/var/log/other/x", true },
		{ "/var/log/app", false },
		{ "/var/log/app/x", false },
		{ "/var/log/near/logs/x", false },
		{ "/var/log/chain/x", false },
		{ "/var/log/here/x", true },
		{ "/var/lock/x", true },
		{ "/var/loop/x", true }, /* the kernel says ELOOP, at once */
		{ "/var/ping", true },
		{ "/var/dotted", false },
		{ "/var/current/x", true },
		{ "/var/top/mnt/share/x", false },
		{ "/var/top/var/log/x", true },
		{ "/var/up/x", true },
		{ "/var/log/other/../app", false },
		{ "/opt/a/d", true },
		{ "/nowhere/at/all", true },
	};
	const struct bl_conf_strlist none = { 0 };
	struct sample_watch_mounts m = { 0 };
	struct bl_err err = { 0 };
	char root[64], path[256];

	(void)state;
	make_root(root, sizeof(root));
	put_aged(root, "/var/log/other/x", 5, 5);
	put_aged(root, "/mnt/share/logs/x", 5, 5);
	put_aged(root, "/run/lock/x", 5, 5);
	put_aged(root, "/opt/b/c/d", 5, 5);
	for (size_t i = 0; i < sizeof(link) / sizeof(link[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", root, link[i].at);
		assert_int_equal(symlink(link[i].target, path), 0);
	}
	assert_int_equal(sample_watch_mounts_init(&m, &none, root, &err), BL_OK);
	assert_true(sample_watch_mounts_look(&m));
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++)
		if (sample_watch_mounts_harmless(&m, c[i].path) != c[i].harmless)
			fail_msg("%s", c[i].path);
	sample_watch_mounts_close(&m);
	remove_tree(root);
}

static void
unknown_file_systems_make_unknown_values(void **state)
{
	char root[64], path[128];
	struct running r;

	(void)state;
	make_root(root, sizeof(root));
	put_aged(root, "/mnt/share/a", 5, 5);
	memset(&rec, 0, sizeof(rec));
	run_open(&r, ops_of("files"), "every: 10s\nwatch: [{name: a, path: /mnt/share/a}]", root);
	tick(&r, 60000, BL_EDENIED);
	assert_true(isnan(value_of(&rec, "file_exists{a}")));
	run_close(&r);

	/* without the table of mounts nothing is known to be harmless */
	put_aged(root, "/a", 5, 5);
	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
	assert_int_equal(unlink(path), 0);
	run_open(&r, ops_of("files"), "every: 10s\nwatch: [{name: b, path: /a}]", root);
	tick(&r, 60000, BL_EDENIED);
	assert_true(isnan(value_of(&rec, "file_exists{b}")));
	put_file(path, MOUNTS, strlen(MOUNTS));
	tick(&r, 70000, BL_OK);
	assert_true(value_of(&rec, "file_exists{b}") == 1);
	run_close(&r);
	remove_tree(root);
}

static void
the_first_failure_is_the_one_told(void **state)
{
	struct sample_sink sink = sink_of(&rec);
	struct bl_err err = { 0 };
	struct running r;
	char root[64];

	(void)state;
	make_root(root, sizeof(root));
	put_aged(root, "/many/a", 1, 1);
	put_aged(root, "/many/b", 1, 1);
	memset(&rec, 0, sizeof(rec));
	run_open(&r, ops_of("files"),
	    "max_entries: 1\nwatch: [{name: a, path: /mnt/share/a}, "
	    "{name: b, path: /many, match: '*'}]",
	    root);
	assert_int_equal(r.ops->sample(r.s, 60000, &sink, &err), BL_EDENIED);
	assert_int_equal(err.code, BL_EDENIED);
	assert_non_null(strstr(err.msg, "/mnt/share/a"));
	run_close(&r);
	remove_tree(root);
}

static void
options_are_checked(void **state)
{
	static const char *const bad[] = {
		"watch: [{name: x, path: relative}]",
		"watch: [{name: x}]",
		"watch: [{name: x, path: /a, recursive: yes}]",
		"watch: [{name: x, path: /a}, {name: x, path: /b}]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		options_refused("files", bad[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trees_are_counted_as_find_counts_them),
		cmocka_unit_test(folders_deeper_than_the_cap_are_not_claimed),
		cmocka_unit_test(what_may_hang_is_not_touched),
		cmocka_unit_test(links_are_followed_before_anything_is_touched),
		cmocka_unit_test(unknown_file_systems_make_unknown_values),
		cmocka_unit_test(the_first_failure_is_the_one_told),
		cmocka_unit_test(options_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
