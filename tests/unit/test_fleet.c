/* Sites and devices keep their promises: ids, zones, intervals, versions, nothing deleted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control_kit.h"
#include "fleet.h"

static const struct control_actor actor = { "alice", "192.0.2.1" };

static int
setup(void **state)
{
	struct control_kit *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	*state = f;
	control_kit_open(f, "fleet", 1000000);
	return 0;
}

static int
teardown(void **state)
{
	control_kit_close(*state);
	free(*state);
	return 0;
}

static struct fleet_site
add_site(struct control_kit *f, const char *id, const char *name)
{
	const struct fleet_site_edit e = { .name = name, .zone = "Asia/Shanghai" };
	struct fleet_site s = { 0 };
	struct bl_err err = { 0 };

	assert_int_equal(fleet_site_create(f->c, &actor, id, &e, &s, &err), FLEET_DONE);
	return s;
}

static struct fleet_device
add_device(struct control_kit *f, const char *site, const char *name)
{
	struct fleet_device d = { 0 };
	struct bl_err err = { 0 };

	assert_int_equal(fleet_device_create(f->c, &actor, NULL, site, name, &d, &err), FLEET_DONE);
	return d;
}

static void
ids_are_made_from_names(void **state)
{
	static const struct {
		const char *name, *id;
	} cases[] = {
		{ "Shanghai West 3", "shanghai-west-3" },
		{ "  --Caf\xc3\xa9 & Bar!! ", "caf-bar" },
		{ "\xe4\xb8\x8a\xe6\xb5\xb7", "site" },
		{ "-", "site" },
		{ "A123456789012345678901234567890123456789012345678901234567890123456789",
		    "a12345678901234567890123456789012345678901234567890123456789012" },
	};
	char out[BL_ID_TEXT_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fleet_id_from_name(cases[i].name, "site", out);
		assert_string_equal(out, cases[i].id);
		assert_true(bl_id_text_valid(out));
	}
}

static void
taken_id_is_refused_and_a_made_one_steps_aside(void **state)
{
	struct control_kit *f = *state;
	const struct fleet_site_edit e = { .name = "West" };
	struct fleet_site s;
	struct bl_err err = { 0 };

	assert_string_equal(add_site(f, NULL, "West").id, "west");
	assert_string_equal(add_site(f, NULL, "West").id, "west-2");
	assert_string_equal(add_site(f, NULL, "West!").id, "west-3");
	assert_int_equal(fleet_site_create(f->c, &actor, "west", &e, &s, &err), FLEET_EXISTS);
	assert_int_equal(fleet_site_create(f->c, &actor, "We st", &e, &s, &err), BL_EINVAL);
}

static void
zone_is_a_name_with_a_file_and_never_a_path(void **state)
{
	static const struct {
		const char *zone;
		bool valid;
	} cases[] = {
		{ "Asia/Shanghai", true },
		{ "UTC", true },
		{ "America/Argentina/Ushuaia", true },
		{ "Etc/GMT+5", true },
		{ "Mars/Olympus", false },
		{ "", false },
		{ "Asia", false },
		{ "../../etc/passwd", false },
		{ "/etc/localtime", false },
		{ "Asia//Shanghai", false },
		{ "Asia/Shanghai/", false },
		{ "./Asia/Shanghai", false },
		{ "localtime", false },
		{ "tzdata.zi", false },
		{ "zone.tab", false },
		{ "right/UTC", false },
		{ "posix/UTC", false },
		{ "Asia/Shang hai", false },
		{ "asia/shanghai\n", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (fleet_zone_valid(cases[i].zone, NULL) != cases[i].valid)
			fail_msg("zone \"%s\"", cases[i].zone);
}

static void
name_is_visible_utf8_without_controls(void **state)
{
	static const struct {
		const char *name;
		bool valid;
	} cases[] = {
		{ "West", true },
		{ "\xe4\xb8\x8a\xe6\xb5\xb7\xe5\x88\x86\xe5\xba\x97", true },
		{ "<script>", true },
		{ "", false },
		{ "   ", false },
		{ "a\nb", false },
		{ "a\x7f", false },
		{ "\xff", false },
		{ "\xc0\xaf", false },
		{ "\xed\xa0\x80", false },
		{ "\xc2\x85", false },
		{ "12345678", true },
		{ "123456789", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (fleet_name_valid(cases[i].name, i < 11 ? 100 : 8) != cases[i].valid)
			fail_msg("name \"%s\"", cases[i].name);
}

static void
site_changes_only_what_is_given_and_counts_versions(void **state)
{
	struct control_kit *f = *state;
	struct fleet_site a = add_site(f, "a", "A"), s;
	struct bl_err err = { 0 };
	struct fleet_site_edit where = {
		.has_lat = true, .has_lon = true, .lat = 31.2, .lon = 121.5
	};
	const struct fleet_site_edit name = { .name = "B", .tags = "{\"k\":\"v\"}" };
	const struct fleet_site_edit nowhere = {
		.has_lat = true, .has_lon = true, .lat_null = true, .lon_null = true
	};

	assert_int_equal(a.version, 1);
	assert_int_equal(a.part, bl_part_of_site("a"));
	assert_int_equal(fleet_site_change(f->c, &actor, "a", 1, &where, &s, &err), FLEET_DONE);
	assert_int_equal(fleet_site_change(f->c, &actor, "a", 1, &name, &s, &err), FLEET_STALE);
	assert_int_equal(fleet_site_change(f->c, &actor, "a", 2, &name, &s, &err), FLEET_DONE);
	assert_int_equal(fleet_site_change(f->c, &actor, "b", 0, &name, &s, &err), FLEET_NO_SUCH);
	assert_int_equal(s.version, 3);
	assert_string_equal(s.name, "B");
	assert_string_equal(s.zone, "Asia/Shanghai");
	assert_string_equal(s.tags, "{\"k\":\"v\"}");
	assert_true(s.has_position && s.lat == 31.2 && s.lon == 121.5);
	assert_int_equal(fleet_site_change(f->c, &actor, "a", 0, &nowhere, &s, &err), FLEET_DONE);
	assert_false(s.has_position);
	where.lat = 91;
	assert_int_equal(fleet_site_change(f->c, &actor, "a", 0, &where, &s, &err), BL_EINVAL);
	where.has_lon = false;
	where.lat = 1;
	assert_int_equal(fleet_site_change(f->c, &actor, "a", 0, &where, &s, &err), BL_EINVAL);
}

struct intervals {
	size_t n;
	struct fleet_service at[8];
};

static bool
collect(const struct fleet_service *s, void *ctx)
{
	struct intervals *all = ctx;

	assert_true(all->n < 8);
	all->at[all->n++] = *s;
	return true;
}

static struct intervals
service_of(struct control_kit *f, const char *device)
{
	struct intervals all = { 0 };
	struct bl_err err = { 0 };
	struct sqlite3 *db;

	assert_int_equal(control_read_begin(f->c, &db, &err), 0);
	assert_int_equal(fleet_service_each(db, device, collect, &all, &err), 0);
	control_read_end(f->c, db);
	return all;
}

static void
moving_ends_one_interval_and_begins_the_next(void **state)
{
	struct control_kit *f = *state;
	struct fleet_device d;
	struct intervals all;
	struct bl_err err = { 0 };

	add_site(f, "a", "A");
	add_site(f, "b", "B");
	d = add_device(f, "a", "Till 1");
	assert_string_equal(d.id, "a-till-1");
	f->now_unix_ms = 5000000;
	assert_int_equal(
	    fleet_device_move(f->c, &actor, d.id, 0, "b", 5000001, &d, &err), FLEET_BAD_TIME);
	assert_int_equal(
	    fleet_device_move(f->c, &actor, d.id, 0, "b", 999999, &d, &err), FLEET_BAD_TIME);
	assert_int_equal(
	    fleet_device_move(f->c, &actor, d.id, 0, "c", 0, &d, &err), FLEET_NO_SUCH_SITE);
	assert_int_equal(fleet_device_move(f->c, &actor, d.id, 7, "b", 0, &d, &err), FLEET_STALE);
	assert_int_equal(
	    fleet_device_move(f->c, &actor, d.id, 1, "b", 2000000, &d, &err), FLEET_DONE);
	assert_string_equal(d.site, "b");
	assert_int_equal(d.part, bl_part_of_site("a")); /* fixed when added */
	assert_int_equal(d.version, 2);
	assert_int_equal(fleet_device_move(f->c, &actor, d.id, 0, "b", 0, &d, &err), FLEET_DONE);
	assert_int_equal(d.version, 2); /* it was there already */
	all = service_of(f, d.id);
	assert_int_equal(all.n, 2);
	assert_string_equal(all.at[0].site, "a");
	assert_int_equal(all.at[0].from_unix_ms, 1000000);
	assert_int_equal(all.at[0].to_unix_ms, 2000000);
	assert_int_equal(all.at[1].from_unix_ms, 2000000);
	assert_int_equal(all.at[1].to_unix_ms, INT64_MAX);
}

static void
move_from_the_beginning_replaces_the_interval(void **state)
{
	struct control_kit *f = *state;
	struct fleet_device d;
	struct intervals all;
	struct bl_err err = { 0 };

	add_site(f, "a", "A");
	add_site(f, "b", "B");
	d = add_device(f, "a", "t");
	assert_int_equal(
	    fleet_device_move(f->c, &actor, d.id, 0, "b", 1000000, &d, &err), FLEET_DONE);
	all = service_of(f, d.id);
	assert_int_equal(all.n, 1);
	assert_string_equal(all.at[0].site, "b");
	f->now_unix_ms = 500; /* the clock went back: still no overlap */
	assert_int_equal(fleet_device_move(f->c, &actor, d.id, 0, "a", 0, &d, &err), FLEET_DONE);
	all = service_of(f, d.id);
	assert_int_equal(all.n, 1);
}

static void
retiring_ends_service_and_returning_begins_it_anew(void **state)
{
	struct control_kit *f = *state;
	const struct fleet_device_edit retire = { .has_retired = true, .retired = true };
	const struct fleet_device_edit back = { .has_retired = true, .retired = false };
	const struct fleet_site_edit close_site = { .has_retired = true, .retired = true };
	struct fleet_device d;
	struct fleet_site s;
	struct intervals all;
	struct bl_err err = { 0 };

	add_site(f, "a", "A");
	d = add_device(f, "a", "t");
	assert_int_equal(
	    fleet_site_change(f->c, &actor, "a", 0, &close_site, &s, &err), FLEET_IN_SERVICE);
	f->now_unix_ms = 2000000;
	assert_int_equal(fleet_device_change(f->c, &actor, d.id, 1, &retire, &d, &err), FLEET_DONE);
	assert_true(d.retired);
	assert_int_equal(
	    fleet_device_move(f->c, &actor, d.id, 0, "a", 0, &d, &err), FLEET_DEVICE_RETIRED);
	assert_int_equal(
	    fleet_site_change(f->c, &actor, "a", 0, &close_site, &s, &err), FLEET_DONE);
	assert_int_equal(
	    fleet_device_change(f->c, &actor, d.id, 0, &back, &d, &err), FLEET_SITE_RETIRED);
	assert_int_equal(
	    fleet_device_create(f->c, &actor, NULL, "a", "u", &d, &err), FLEET_SITE_RETIRED);
	f->now_unix_ms = 3000000;
	assert_int_equal(fleet_site_change(f->c, &actor, "a", 0,
			     &(struct fleet_site_edit){ .has_retired = true }, &s, &err),
	    FLEET_DONE);
	assert_int_equal(fleet_device_change(f->c, &actor, "a-t", 0, &back, &d, &err), FLEET_DONE);
	all = service_of(f, "a-t");
	assert_int_equal(all.n, 2);
	assert_int_equal(all.at[0].to_unix_ms, 2000000);
	assert_int_equal(all.at[1].from_unix_ms, 3000000);
}

static void
lookup_sees_each_commit_at_once(void **state)
{
	struct control_kit *f = *state;
	const struct fleet_device_edit retire = { .has_retired = true, .retired = true };
	struct fleet_lookup *l;
	struct fleet_place place;
	struct fleet_device d;
	struct bl_err err = { 0 };

	assert_int_equal(fleet_lookup_open(&l, f->c, &err), 0);
	assert_int_equal(fleet_device_lookup(l, "a-t", &place, &err), FLEET_UNKNOWN);
	add_site(f, "a", "A");
	d = add_device(f, "a", "t");
	assert_int_equal(fleet_device_lookup(l, "a-t", &place, &err), FLEET_KNOWN);
	assert_string_equal(place.site, "a");
	assert_int_equal(place.part, bl_part_of_site("a"));
	assert_false(place.retired);
	assert_int_equal(fleet_device_change(f->c, &actor, d.id, 0, &retire, &d, &err), FLEET_DONE);
	assert_int_equal(fleet_device_lookup(l, "a-t", &place, &err), FLEET_KNOWN);
	assert_true(place.retired);
	fleet_lookup_close(l);
}

static void
certificate_is_hexadecimal_and_kept(void **state)
{
	static const char print[] =
	    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct control_kit *f = *state;
	struct fleet_device d;
	struct bl_err err = { 0 };

	add_site(f, "a", "A");
	add_device(f, "a", "t");
	assert_int_equal(
	    fleet_device_certificate(f->c, &actor, "a-t", "zz", print, 9, &d, &err), BL_EINVAL);
	assert_int_equal(
	    fleet_device_certificate(f->c, &actor, "a-t", "0a", "ab", 9, &d, &err), BL_EINVAL);
	assert_int_equal(
	    fleet_device_certificate(f->c, &actor, "x", "0a", print, 9, &d, &err), FLEET_NO_SUCH);
	assert_int_equal(
	    fleet_device_certificate(f->c, &actor, "a-t", "0a", print, 9, &d, &err), FLEET_DONE);
	assert_string_equal(d.serial, "0a");
	assert_int_equal(d.not_after_unix_ms, 9);
	assert_int_equal(d.version, 2);
}

#define WITH_DB(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_made_from_names),
		cmocka_unit_test(zone_is_a_name_with_a_file_and_never_a_path),
		cmocka_unit_test(name_is_visible_utf8_without_controls),
		WITH_DB(taken_id_is_refused_and_a_made_one_steps_aside),
		WITH_DB(site_changes_only_what_is_given_and_counts_versions),
		WITH_DB(moving_ends_one_interval_and_begins_the_next),
		WITH_DB(move_from_the_beginning_replaces_the_interval),
		WITH_DB(retiring_ends_service_and_returning_begins_it_anew),
		WITH_DB(lookup_sees_each_commit_at_once),
		WITH_DB(certificate_is_hexadecimal_and_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
