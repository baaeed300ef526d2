/* Machines that take turns with one identity, as ingest sees them. */
#include "branchline/report.h"

#include "ingest_kit.h"

static const char device[] = "kiosk-1";

/* A machine comes: hello with its spool, then its birth. */
static void
comes(struct ctx *c, uint8_t spool, uint8_t boot, uint64_t connections)
{
	struct bl_presence p = { .online = true,
		.boot = fixture_id(boot),
		.connections = connections,
		.software = "1.2.3" };
	struct bl_hello h;

	c->spool = fixture_id(spool);
	c->boot = fixture_id(boot);
	h = hello(c, device, 1);
	h.boot = c->boot;
	take_hello(c, device, &h);
	pass(c, 1500);
	bl_buf_reset(&c->msg);
	assert_int_equal(bl_presence_encode(&p, &c->msg), BL_OK);
	take(c, topic_of(BL_TOPIC_PRESENCE, device), c->msg.data, c->msg.len, true);
	pass(c, 1500);
}

static void
reports(struct ctx *c, const char *address)
{
	struct bl_report r = {
		.spool = c->spool, .boot = c->boot, .boot_ms = 1000, .link = { .has = true }
	};

	(void)snprintf(r.link.local_address, sizeof(r.link.local_address), "%s", address);
	bl_buf_reset(&c->msg);
	assert_int_equal(bl_report_encode(&r, &c->msg), BL_OK);
	take(c, topic_of(BL_TOPIC_HELLO, device), c->msg.data, c->msg.len, false);
	pass(c, 1500);
}

struct seen {
	unsigned n;
	uint64_t returns;
	char addresses[1024];
};

static bool
see(void *ctx, const struct store_party_row *p)
{
	struct seen *s = ctx;

	s->n++;
	s->returns += p->returns;
	assert_string_equal(p->device, device);
	(void)snprintf(s->addresses + strlen(s->addresses),
	    sizeof(s->addresses) - strlen(s->addresses), "[%s]", p->address);
	return true;
}

static struct seen
parties(struct ctx *c)
{
	struct seen s = { 0 };
	struct bl_err err = { 0 };

	must(store_read_parties(c->r, NULL, 0, see, &s, &err), &err);
	return s;
}

static void
two_that_take_turns_are_found_out_and_told(void **state)
{
	struct ctx *c = *state;
	struct seen s;

	comes(c, 0xa1, 0xa2, 1);
	assert_true(last_receipt(c, device).rival_known);
	comes(c, 0xb1, 0xb2, 1);
	reports(c, "192.0.2.2");
	assert_int_equal(last_receipt(c, device).rival, 0);
	comes(c, 0xa1, 0xa2, 2);
	reports(c, "192.0.2.1");
	/* Once may have been a spare that was tried. */
	assert_int_equal(last_receipt(c, device).rival, 0);
	assert_int_equal(parties(c).n, 0);
	comes(c, 0xb1, 0xb2, 2);
	/* Said with a receipt of its own, at once. */
	assert_false(last_receipt(c, device).is_answer);
	assert_int_equal(last_receipt(c, device).rival, 2);
	comes(c, 0xa1, 0xa2, 3);
	assert_int_equal(last_receipt(c, device).rival, 3);
	s = parties(c);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.returns, 2); /* the first of them was not counted yet */
	assert_non_null(strstr(s.addresses, "[192.0.2.1]"));
	assert_non_null(strstr(s.addresses, "[192.0.2.2]"));
	/* An hour without: nobody is told any more, and the store remembers. */
	pass(c, 3600000);
	comes(c, 0xa1, 0xa2, 4);
	assert_true(last_receipt(c, device).rival_known);
	assert_int_equal(last_receipt(c, device).rival, 0);
	assert_int_equal(parties(c).n, 2);
}

static void
copies_that_share_boot_and_spool_are_known_by_their_counts(void **state)
{
	struct ctx *c = *state;

	for (uint64_t n = 40; n < 43; n++) {
		comes(c, 0xa1, 0xa2, n);
		comes(c, 0xa1, 0xa2, n - 30);
	}
	assert_true(last_receipt(c, device).rival >= 2);
}

static void
what_one_machine_does_is_no_conflict(void **state)
{
	struct ctx *c = *state;
	uint64_t n = 1;

	/* It connects again and again, restarts, is set back to an older copy and goes on. */
	for (uint8_t boot = 1; boot < 30; boot++) {
		comes(c, boot < 20 ? 0xa1 : 0xa3, boot, n);
		comes(c, boot < 20 ? 0xa1 : 0xa3, boot, n);
		comes(c, boot < 20 ? 0xa1 : 0xa3, boot, n + 1);
		n = boot == 19 ? 1 : n + 1;
		assert_int_equal(last_receipt(c, device).rival, 0);
		c->n_sent = 0;
	}
	assert_int_equal(parties(c).n, 0);
}

static void
a_machine_that_was_replaced_and_replaced_again_is_none_either(void **state)
{
	struct ctx *c = *state;

	comes(c, 0xa1, 0xa2, 1);
	comes(c, 0xb1, 0xb2, 1);
	pass(c, 4000000);
	comes(c, 0xa1, 0xa2, 2);
	pass(c, 4000000);
	comes(c, 0xb1, 0xb2, 2);
	assert_int_equal(last_receipt(c, device).rival, 0);
	assert_int_equal(parties(c).n, 0);
}

/* Each with a boot of its own: what a device makes up is bounded. */
static void
many_that_take_turns_are_told_up_to_a_number(void **state)
{
	struct ctx *c = *state;
	uint64_t n = 3;

	comes(c, 0xa1, 0xa2, 1);
	comes(c, 0xb1, 0xb2, 1);
	comes(c, 0xa1, 0xa2, 2);
	comes(c, 0xb1, 0xb2, 2);
	for (uint8_t boot = 1; boot <= 40; boot++) {
		comes(c, 0xb1, boot, 1);
		comes(c, 0xa1, 0xa2, n++);
		comes(c, 0xb1, boot, 2);
		c->n_sent = 0;
	}
	assert_in_range(parties(c).n, 30, 33);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(two_that_take_turns_are_found_out_and_told),
		T(copies_that_share_boot_and_spool_are_known_by_their_counts),
		T(what_one_machine_does_is_no_conflict),
		T(a_machine_that_was_replaced_and_replaced_again_is_none_either),
		T(many_that_take_turns_are_told_up_to_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
