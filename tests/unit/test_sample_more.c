/*
 * Samplers of TCP, time and sensors: answers of the kernel that no file holds,
 * what is due when, and sensors that come and go.
 */
#include "sample_harness.h"
#include "sample_watch_internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

/* ---- more seldom than at every tick ---- */

static void
what_is_due_follows_the_ticks_and_does_not_drift(void **state)
{
	static const struct {
		int64_t every_ms;
		uint32_t tick_ms, declared;
		int64_t at[8]; /* ends with -1 */
		const char *due;
	} c[] = {
		{ 60000, 10000, 60000, { 0, 10000, 50000, 60000, 110000, 120000, -1 }, "x--x-x" },
		{ 1000, 10000, 10000, { 7, 10007, 20007, 30003, -1 }, "xxxx" },
		{ 25000, 10000, 30000, { 5, 20005, 30005, 59999, -1 }, "x-xx" },
		/* some milliseconds early is in time; a tick too early is not */
		{ 60000, 10000, 60000, { 1000, 60990, 110995, 120980, -1 }, "xx-x" },
		/* after a pause (suspended) it is due at once, once */
		{ 60000, 10000, 60000, { 1000, 500000, 510000, 560000, -1 }, "xx-x" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct sample_every e;

		assert_int_equal(sample_every_init(&e, c[i].every_ms, c[i].tick_ms), c[i].declared);
		for (size_t k = 0; c[i].at[k] >= 0; k++)
			assert_int_equal(sample_every_due(&e, c[i].at[k]), c[i].due[k] == 'x');
	}
}

/* ---- the kernel's list of sockets ---- */

struct answer {
	char bytes[1024];
	size_t len;
};

static void
answer_add(struct answer *a, uint16_t type, const void *body, size_t len, size_t said)
{
	const struct nlmsghdr head = { .nlmsg_len = (uint32_t)(NLMSG_HDRLEN + said),
		.nlmsg_type = type };

	memcpy(a->bytes + a->len, &head, sizeof(head));
	memcpy(a->bytes + a->len + NLMSG_HDRLEN, body, len);
	a->len += NLMSG_HDRLEN + NLMSG_ALIGN(len);
}

static void
answer_socket(struct answer *a, uint8_t tcp_state)
{
	struct inet_diag_msg m = { .idiag_family = 2, .idiag_state = tcp_state };

	answer_add(a, TCPDIAG_GETSOCK, &m, sizeof(m), sizeof(m));
}

/* From a block that ends where the bytes do, so that a byte too far is seen. */
static int
take(const struct answer *a, size_t len, unsigned count[SAMPLE_TCP_STATES], struct bl_err *err)
{
	char *copy = malloc(len > 0 ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, a->bytes, len);
	rc = sample_tcp_diag_take(copy, len, count, err);
	free(copy);
	return rc;
}

static void
sockets_are_counted_by_state(void **state)
{
	unsigned count[SAMPLE_TCP_STATES] = { 0 };
	struct answer a = { .len = 0 };
	struct bl_err err = { 0 };
	const int32_t zero = 0;

	(void)state;
	answer_socket(&a, 10);
	answer_socket(&a, 1);
	answer_socket(&a, 1);
	answer_socket(&a, 8);
	answer_socket(&a, 12); /* NEW_SYN_RECV is not told of; one beyond the table is no state */
	answer_socket(&a, 255);
	assert_int_equal(take(&a, a.len, count, &err), 0);
	assert_int_equal(count[10], 1);
	assert_int_equal(count[1], 2);
	assert_int_equal(count[8], 1);
	answer_add(&a, NLMSG_DONE, &zero, sizeof(zero), sizeof(zero));
	assert_int_equal(take(&a, a.len, count, &err), 1);
}

static void
a_broken_list_of_sockets_is_refused(void **state)
{
	unsigned count[SAMPLE_TCP_STATES] = { 0 };
	struct answer whole = { .len = 0 };
	struct answer a = { .len = 0 };
	struct bl_err err = { 0 };
	const int32_t no = -ENOENT;

	(void)state;
	answer_add(&a, NLMSG_ERROR, &no, sizeof(no), sizeof(no));
	assert_int_equal(take(&a, a.len, count, &err), BL_EIO);
	assert_int_equal(err.os_errno, ENOENT);

	a.len = 0;
	answer_add(&a, NLMSG_ERROR, &no, 2, 2);
	assert_int_equal(take(&a, a.len, count, &err), BL_ECORRUPT);

	a.len = 0;
	answer_add(&a, TCPDIAG_GETSOCK, &no, sizeof(no), 4000); /* longer than all of it */
	assert_int_equal(take(&a, a.len, count, &err), BL_ECORRUPT);

	a.len = 0;
	answer_add(&a, TCPDIAG_GETSOCK, &no, sizeof(no), (size_t)0 - 4); /* shorter than its head */
	assert_int_equal(take(&a, a.len, count, &err), BL_ECORRUPT);

	answer_socket(&whole, 1);
	answer_socket(&whole, 1);
	for (size_t n = 1; n < whole.len; n++)
		if (n != whole.len / 2)
			assert_int_equal(take(&whole, n, count, &err), BL_ECORRUPT);
}

/* ---- the clock's state ---- */

static void
the_kernels_clock_state_is_read_in_its_units(void **state)
{
	static const struct {
		struct timex t;
		int state;
		double want[TIME_SERIES]; /* synchronised, offset, error_max, error, frequency */
	} c[] = {
		/* ntpd: a PLL in nanoseconds */
		{ { .status = STA_PLL | STA_NANO,
		      .offset = -1234567,
		      .maxerror = 250000,
		      .esterror = 1500,
		      .freq = 983040 },
		    TIME_OK, { 1, -1.235, 250, 1.5, 15 } },
		/* in microseconds, a leap second to come */
		{ { .status = STA_PLL | STA_INS,
		      .offset = 1234,
		      .maxerror = 1,
		      .esterror = 2,
		      .freq = -32768 },
		    TIME_INS, { 1, 1.234, 0.001, 0.002, -0.5 } },
		/* nobody keeps it: no offset, no estimate */
		{ { .status = STA_UNSYNC, .offset = 0, .maxerror = 16000000, .esterror = 16000000 },
		    TIME_ERROR, { 0, NAN, 16000, NAN, 0 } },
		/* the kernel says so by its result alone */
		{ { .status = STA_PLL, .maxerror = 16000000 }, TIME_ERROR,
		    { 0, NAN, 16000, NAN, 0 } },
	};
	double value[TIME_SERIES];

	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		sample_time_values(&c[i].t, c[i].state, value);
		for (unsigned k = 0; k < TIME_SERIES; k++)
			assert_true(
			    isnan(c[i].want[k]) ? isnan(value[k]) : value[k] == c[i].want[k]);
	}
}

/* ---- sensors that come and go ---- */

static void
sensor_file(const char *root, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/sys/class/hwmon/%s", root, name);
	if (text != NULL)
		put_file(path, text, strlen(text));
	else
		assert_int_equal(unlink(path), 0);
}

static void
sensors_tick(struct running *run, struct recorder *rec, int64_t boot_ms)
{
	struct sample_sink sink = sink_of(rec);
	struct bl_err err = { 0 };

	rec_tick(rec);
	rec->len = 0;
	rec->n_put = 0;
	rec->n_unknown = 0;
	assert_int_equal(run->ops->sample(run->s, boot_ms, &sink, &err), BL_OK);
}

/* A chip is unplugged and comes back under another number: the same series goes on. */
static void
a_sensor_is_who_it_is_not_its_number(void **state)
{
	static const char series[] = "temperature_celsius{chip/temp1}";
	struct recorder *rec = calloc(1, sizeof(*rec));
	struct running run;
	char root[128];

	(void)state;
	assert_non_null(rec);
	root_make(root, sizeof(root));
	sensor_file(root, "hwmon3/name", "chip\n");
	sensor_file(root, "hwmon3/temp1_input", "20000\n");
	run_open(&run, ops_of("sensors"), "every: 10s\n", root);
	sensors_tick(&run, rec, 10000);
	assert_true(value_of(rec, series) == 20);

	sensor_file(root, "hwmon3/temp1_input", NULL);
	sensors_tick(&run, rec, 20000);
	assert_true(isnan(value_of(rec, series)));
	sensor_file(root, "hwmon4/name", "chip\n");
	sensor_file(root, "hwmon4/temp1_input", "21000\n");
	sensors_tick(&run, rec, 30000); /* looked up anew after the failure */
	assert_true(value_of(rec, series) == 21);
	assert_int_equal(rec->n, 1);

	/* Gone for good: unknown for ten minutes from when it was looked up, then silent. */
	sensor_file(root, "hwmon4/temp1_input", NULL);
	sensors_tick(&run, rec, 40000);
	assert_int_equal(rec->n_unknown, 1);
	sensors_tick(&run, rec, 50000);
	assert_int_equal(rec->n_unknown, 1);
	sensors_tick(&run, rec, 50000 + SAMPLE_GONE_MS - 1);
	assert_int_equal(rec->n_unknown, 1);
	sensors_tick(&run, rec, 50000 + SAMPLE_GONE_MS + 10000);
	assert_int_equal(rec->n_unknown + rec->n_put, 0);

	sensor_file(root, "hwmon4/temp1_input", "22000\n");
	sensors_tick(&run, rec, 50000 + 3 * SAMPLE_GONE_MS);
	assert_true(value_of(rec, series) == 22);
	assert_int_equal(rec->n, 1);
	run_close(&run);
	remove_tree(root);
	free(rec);
}

/* As nct6775 does: some two hundred files, a few of them readings; and a cooling device a CPU. */
static void
folders_with_many_other_entries_lose_no_sensor(void **state)
{
	struct recorder *rec = calloc(1, sizeof(*rec));
	struct running run;
	char root[128], name[64];

	(void)state;
	assert_non_null(rec);
	root_make(root, sizeof(root));
	sensor_file(root, "hwmon0/name", "nct6775\n");
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "hwmon0/temp%d_%s", i / 10,
		    i % 10 == 0 ? "input" : "alarm");
		if (i % 10 > 0)
			snprintf(name + strlen(name), sizeof(name) - strlen(name), "%d", i % 10);
		sensor_file(root, name, "20000\n");
	}
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "../thermal/cooling_device%d/type", i);
		sensor_file(root, name, "Processor\n");
	}
	sensor_file(root, "../thermal/thermal_zone0/temp", "30000\n");
	run_open(&run, ops_of("sensors"), "every: 10s\n", root);
	sensors_tick(&run, rec, 10000);
	assert_int_equal(rec->n, 21); /* and no sensors_skipped */
	assert_true(value_of(rec, "temperature_celsius{thermal_zone0}") == 30);
	assert_true(value_of(rec, "temperature_celsius{nct6775/temp0}") == 20);
	assert_true(value_of(rec, "temperature_celsius{nct6775/temp19}") == 20);
	run_close(&run);
	remove_tree(root);
	free(rec);
}

/* ---- units of systemd ---- */

/* The link that systemd keeps for an active unit; id NULL: it is down. */
static void
unit_link(const char *root, const char *unit, const char *id)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/run/systemd/units/invocation:%s", root, unit);
	make_folders(path);
	(void)unlink(path);
	if (id != NULL)
		assert_int_equal(symlink(id, path), 0);
}

static void
starts_of_a_unit_are_counted_and_its_group_is_found(void **state)
{
	static const char up[] = "unit_up{pos-print@1.service}";
	static const char starts[] = "unit_starts_total{pos-print@1.service}";
	static const struct {
		const char *id;
		double up, starts;
	} c[] = {
		{ "aaaa", 1, 0 }, /* it was up when the agent came: no start was seen */
		{ "aaaa", 1, 0 },
		{ "bbbb", 1, 1 }, /* restarted between two looks */
		{ NULL, 0, 1 },
		{ NULL, 0, 1 },
		{ "cccc", 1, 2 },
		{ "cccc", 1, 2 },
	};
	struct recorder *rec = calloc(1, sizeof(*rec));
	struct sample_sink sink = sink_of(rec);
	struct bl_err err = { 0 };
	struct running run;
	char root[128];
	char path[400];

	(void)state;
	assert_non_null(rec);
	root_make(root, sizeof(root));
	snprintf(path, sizeof(path),
	    "%s/sys/fs/cgroup/system.slice/system-pos\\x2dprint.slice/pos-print@1.service/"
	    "pids.current",
	    root);
	put_file(path, "3\n", 2);
	unit_link(root, "pos-print@1.service", c[0].id);
	run_open(&run, ops_of("units"), "watch: [\"pos-print@1.service\"]\n", root);
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		unit_link(root, "pos-print@1.service", c[i].id);
		sensors_tick(&run, rec, (int64_t)(i + 1) * 10000);
		assert_true(value_of(rec, up) == c[i].up);
		assert_true(value_of(rec, starts) == c[i].starts);
		assert_true(value_of(rec, "unit_tasks{pos-print@1.service}") == 3);
	}

	/* systemd's folder is gone: nothing is known, and the log is told why. */
	snprintf(path, sizeof(path), "%s/run/systemd/units", root);
	remove_tree(path);
	rec_tick(rec);
	assert_int_equal(run.ops->sample(run.s, 900000, &sink, &err), BL_ENOTFOUND);
	assert_non_null(strstr(err.msg, "systemd"));
	assert_true(isnan(value_of(rec, up)) && isnan(value_of(rec, starts)));
	run_close(&run);
	remove_tree(root);
	free(rec);
}

static void
names_of_units_are_checked(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} c[] = {
		{ "watch: []", true },
		{ "watch: [cups]", true },
		{ "watch: [cups, till.service, a.timer]", true },
		{ "watch: [cups, cups.service]", false },
		{ "watch: [../../etc/passwd]", false },
		{ "watch: [\"\"]", false },
		{ "watch: [.service]", false },
		{ "watch: [a/b]", false },
		/* What systemd takes for no name of a unit spoils its answer for all of them. */
		{ "watch: [\"my till\"]", false },
		{ "watch: [\"till*\"]", false },
		{ "watch: [\"收银\"]", false },
		{ "watch: [getty@tty1, \"dev-sda1\\\\x2d.device\", a:b_c]", true },
		{ "watch: [getty@]", false },
		{ "watch: [getty@.service]", false },
		{ "watch: [\"@tty1\"]", false },
		/* As systemctl has it: what ends in no kind of unit is a service. */
		{ "watch: [till.v2, org.bluez]", true },
		{ "watch: [till.v2, till.v2.service]", false },
		{ "watch: [a.socket, a.socket.service]", true },
	};
	const struct sampler_ops *ops = ops_of("units");

	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct sample_units_conf conf = { 0 };
		struct bl_conf_errors errors = { 0 };
		struct bl_err err = { 0 };
		const int rc = bl_conf_parse(
		    "units", c[i].text, strlen(c[i].text), ops->options, &conf, &errors, &err);

		if ((rc == BL_OK) != c[i].good)
			fail_msg("%s: %d", c[i].text, rc);
		bl_conf_errors_free(&errors);
		if (rc == BL_OK)
			bl_conf_release(ops->options, &conf);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_due_follows_the_ticks_and_does_not_drift),
		cmocka_unit_test(sockets_are_counted_by_state),
		cmocka_unit_test(a_broken_list_of_sockets_is_refused),
		cmocka_unit_test(the_kernels_clock_state_is_read_in_its_units),
		cmocka_unit_test(a_sensor_is_who_it_is_not_its_number),
		cmocka_unit_test(folders_with_many_other_entries_lose_no_sensor),
		cmocka_unit_test(starts_of_a_unit_are_counted_and_its_group_is_found),
		cmocka_unit_test(names_of_units_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
