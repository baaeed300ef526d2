/* The HTTP inlet under load: long lists, floods, slow disks and slow peers, no room left. */
#include "inlet_http_kit.h"

/* ---- many ---- */

static char *
list(unsigned n, const char *type)
{
	char *text = malloc(n * 48 + 8), *at = text;

	assert_non_null(text);
	*at++ = '[';
	for (unsigned i = 0; i < n; i++)
		at +=
		    sprintf(at, "%s{\"report\":\"event\",\"type\":\"%s\"}", i > 0 ? "," : "", type);
	(void)strcpy(at, "]");
	return text;
}

static void
a_long_list_goes_as_far_as_there_is_room(void **state)
{
	const int fd = dial();
	char *text = list(1000, "a");
	unsigned turns = 0;

	(void)state;
	h->room = 7;
	say(fd, post(JSON, text));
	assert_int_equal(h->n_held, 7);
	for (; hear(fd)[0] == '\0'; turns++) {
		assert_in_range(h->n_held, 1, 7);
		fake_host_answer(h, 0);
	}
	assert_int_equal(status(heard), 200);
	assert_int_equal(h->reports, 1000);
	assert_in_range(turns, 1000 / 7, 1000 / 7 + 1);
	free(text);
	(void)close(fd);
}

/* Lines are not counted before they are taken: the thousand keep what became of them. */
static void
lines_beyond_a_thousand_are_left_out(void **state)
{
	const int fd = dial();
	char *text = malloc(1001 * sizeof(EVENT) + 1);
	unsigned n = 0;

	(void)state;
	assert_non_null(text);
	for (unsigned i = 0; i < 1001; i++)
		(void)strcpy(text + i * sizeof(EVENT), EVENT "\n");
	say(fd, post("Content-Type: application/x-ndjson\r\n", text));
	while (hear(fd)[0] == '\0' && h->n_held > 0)
		fake_host_answer(h, 0);
	assert_int_equal(status(heard), 422); /* at once */
	assert_int_equal(h->reports, 1000);
	for (const char *at = heard; (at = strstr(at, "\"accepted\"")) != NULL; at++)
		n++;
	assert_int_equal(n, 1000);
	assert_non_null(
	    strstr(heard, "\"refused\",\"message\":\"this and what follows is left out"));
	assert_int_equal(fake_host_count(h, "accepted"), 1000);
	assert_int_equal(fake_host_count(h, "bad_reports"), 1);
	free(text);
	(void)close(fd);
}

static void
a_flood_is_nobody_elses_wait(void **state)
{
	const int flood = dial(), small = dial();
	char *text = list(1000, "flood");

	(void)state;
	h->room = 1;
	say(flood, post(JSON, text));
	say(small, post(JSON, "[" EVENT "," EVENT "]"));
	for (unsigned i = 0; i < 5; i++) {
		fake_host_answer(h, 0);
		(void)fake_host_turn(h);
	}
	assert_int_equal(status(hear(small)), 200);
	free(text);
	(void)close(flood);
	(void)close(small);
}

static void
who_goes_leaves_no_answer_to_others(void **state)
{
	const int before = dial();
	int first, second;

	(void)state;
	say(before, "GET / HTTP/1.0\r\n" HOST "\r\n");
	(void)close(before);
	(void)fake_host_turn(h);
	first = dial(); /* in its place */
	say(first, post(JSON, "[" EVENT "," EVENT "]"));
	(void)close(first);
	fake_host_pass(h, 8000); /* the place is free again */
	assert_true(fake_host_answer_one(h, 0));
	second = dial();
	say(second, post(JSON, "[" EVENT "," EVENT "]"));
	assert_int_equal(h->n_held, 3);
	assert_true(fake_host_answer_one(h, 1)); /* the first one's second */
	fake_host_answer(h, 0);
	assert_int_equal(status(hear(second)), 200);
	assert_null(strstr(heard, "repeated"));
	(void)close(second);
}

/* ---- a disk that does not answer ---- */

static void
a_disk_is_waited_for_eight_seconds(void **state)
{
	const int fd = dial();
	int other;

	(void)state;
	h->room = 2;
	say(fd, post(JSON, "[" EVENT "," EVENT "," EVENT "]"));
	fake_host_pass(h, 7999);
	assert_string_equal(hear(fd), "");
	fake_host_pass(h, 1);
	assert_int_equal(status(hear(fd)), 503);
	assert_non_null(strstr(heard, "not on disk after 8 s"));
	assert_non_null(strstr(heard, "what came before still waits for the disk"));
	assert_non_null(strstr(heard, "\r\nRetry-After: "));
	/* More of them would only push samples out of memory. */
	other = dial();
	say(other, post(JSON, EVENT));
	assert_int_equal(status(hear(other)), 503);
	assert_int_equal(h->n_held, 2);
	(void)close(other);
	/* It works again. */
	assert_true(fake_host_answer_one(h, 0));
	say(fd, post(JSON, EVENT));
	fake_host_answer(h, 0);
	assert_int_equal(status(hear(fd)), 200);
	(void)close(fd);
}

static void
without_room_for_the_first_it_is_not_stored(void **state)
{
	const int fd = dial();

	(void)state;
	h->room = 0;
	say(fd, post(JSON, EVENT));
	for (unsigned i = 0; i < 7; i++)
		fake_host_pass(h, 1000);
	assert_string_equal(hear(fd), "");
	fake_host_pass(h, 1000);
	assert_int_equal(status(hear(fd)), 503);
	say(fd, post(JSON, EVENT));
	h->room = 1;
	h->at_once = true;
	fake_host_pass(h, 1000); /* it asks again by itself */
	assert_int_equal(status(hear(fd)), 200);
	say(fd, post(JSON, EVENT));
	assert_int_equal(status(hear(fd)), 200);
	(void)close(fd);
}

static void
an_agent_that_ends_answers_what_it_took(void **state)
{
	const int fd = dial(), idle = dial();
	struct stat st;

	(void)state;
	h->room = 1;
	say(fd, post(JSON, "[" EVENT "," EVENT "]"));
	assert_int_equal(lstat(path, &st), 0);
	inlet_http_ops.finish(in);
	assert_int_equal(lstat(path, &st), -1);
	assert_ended(idle);
	fake_host_answer(h, 0);
	assert_int_equal(status(hear(fd)), 503);
	assert_non_null(strstr(heard, "\"accepted\""));
	assert_non_null(strstr(heard, "not stored: the agent ends"));
	(void)close(fd);
	(void)close(idle);
}

/* ---- who is slow, and how many ---- */

static void
who_is_slow_is_let_go(void **state)
{
	const int head = dial(), text = dial(), silent = dial();

	(void)state;
	say(silent, "");
	say(head, "POST /v1/reports HTTP/1.1\r\n");
	say(text, POST JSON "Content-Length: 29\r\n\r\n{");
	for (unsigned i = 0; i < 4; i++) {
		fake_host_pass(h, 1000);
		say(head, "X: 1\r\n"); /* a bit now and then does not help */
		say(text, " ");
	}
	assert_string_equal(hear(head), "");
	fake_host_pass(h, 1000);
	assert_int_equal(status(hear(head)), 408);
	fake_host_pass(h, 4999);
	assert_string_equal(hear(text), "");
	fake_host_pass(h, 1);
	assert_int_equal(status(hear(text)), 408);
	assert_int_equal(fake_host_count(h, "too_slow"), 2);
	fake_host_pass(h, 49999);
	assert_string_equal(hear(silent), "");
	fake_host_pass(h, 1);
	assert_ended(silent);
	(void)close(head);
	(void)close(text);
	(void)close(silent);
}

static void
who_does_not_read_is_let_go(void **state)
{
	const int fd = dial(), small = 1;
	char *text = list(1000, "");

	(void)state;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	/* Until it is not read from either, whatever the kernel keeps for both. */
	for (unsigned i = 0; i < 2000; i++) {
		const char *one = post(JSON, text);

		if (send(fd, one, strlen(one), MSG_NOSIGNAL) < 0)
			break;
		(void)fake_host_turn(h);
	}
	fake_host_pass(h, 10000);
	assert_int_equal(fake_host_count(h, "too_slow"), 1);
	free(text);
	(void)close(fd);
}

static void
further_connections_wait_for_a_place(void **state)
{
	int fd[68];

	(void)state;
	for (unsigned i = 0; i < 68; i++) {
		fd[i] = dial();
		say(fd[i], "GET / HTTP/1.1\r\n"); /* it is busy */
	}
	for (unsigned i = 64; i < 68; i++) {
		say(fd[i], HOST "\r\n");
		assert_string_equal(hear(fd[i]), "");
	}
	say(fd[5], HOST "\r\n");
	assert_int_equal(status(hear(fd[5])), 200);
	assert_string_equal(hear(fd[64]), ""); /* it may have more to say */
	(void)close(fd[6]);
	assert_int_equal(status(hear(fd[64])), 200);
	assert_string_equal(hear(fd[65]), "");
	fake_host_pass(h, 1000); /* now it has been silent for a while */
	assert_int_equal(status(hear(fd[65])), 200);
	assert_ended(fd[5]);
	fake_host_pass(h, 4000); /* who is slow goes */
	assert_int_equal(status(hear(fd[66])), 200);
	assert_int_equal(status(hear(fd[67])), 200);
	for (unsigned i = 0; i < 68; i++)
		if (i != 6)
			(void)close(fd[i]);
}

/* Places that one user holds with half requests, and all that he has waiting, are nobody else's. */
static void
one_user_leaves_places_for_others(void **state)
{
	int fd[200], other;

	(void)state;
	if (geteuid() != 0) {
		print_message("needs root, to become somebody else\n");
		skip();
	}
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(chmod(path, 0666), 0);
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(seteuid(1000), 0);
		fd[i] = dial();
		assert_int_equal(seteuid(0), 0);
		say(fd[i], "POST /");
	}
	for (unsigned i = 0; i < 200; i++) /* 64 have places, 128 wait */
		assert_int_equal(status(hear(fd[i])), i < 192 ? 0 : 503);
	assert_int_equal(fake_host_count(h, "busy"), 8);
	for (unsigned i = 0; i < 32; i++) {
		other = dial();
		say(other, "GET / HTTP/1.1\r\n" HOST "\r\n");
		assert_int_equal(status(hear(other)), 200);
		(void)close(other);
	}
	fake_host_pass(h, 5000); /* the first ones were too slow, and those that waited are next */
	assert_int_equal(fake_host_count(h, "too_slow"), 64);
	for (unsigned i = 0; i < 200; i++)
		(void)close(fd[i]);
	assert_int_equal(fake_host_turn(h) < 1000, true);
}

static void
memory_for_all_has_its_end(void **state)
{
	static char half[600000];
	int fd[4];

	(void)state;
	conf.max_body = 1 << 20;
	memset(half, ' ', sizeof(half) - 1);
	for (unsigned i = 0; i < 4; i++) {
		fd[i] = dial();
		say(fd[i], POST JSON "Content-Length: 700000\r\n\r\n");
		say(fd[i], half);
	}
	assert_string_equal(hear(fd[0]), "");
	assert_int_equal(status(hear(fd[3])), 503);
	assert_true(fake_host_count(h, "busy") > 0);
	for (unsigned i = 0; i < 4; i++)
		(void)close(fd[i]);
}

/* Half bodies of one user fill what he may have, and another one is heard all the same. */
static void
one_user_leaves_memory_for_others(void **state)
{
	static char half[600000];
	char head[128];
	int fd[4], other;

	(void)state;
	if (geteuid() != 0) {
		print_message("needs root, to become somebody else\n");
		skip();
	}
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(chmod(path, 0666), 0);
	conf.max_body = 1 << 20;
	h->at_once = true;
	memset(half, ' ', sizeof(half) - 1);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(seteuid(1000), 0);
		fd[i] = dial();
		assert_int_equal(seteuid(0), 0);
		say(fd[i], POST JSON "Content-Length: 700000\r\n\r\n");
		say(fd[i], half);
	}
	assert_int_equal(status(hear(fd[3])), 503);
	other = dial();
	(void)snprintf(head, sizeof(head), POST JSON "Content-Length: %zu\r\n\r\n",
	    strlen(half) + strlen(EVENT));
	say(other, head);
	say(other, half);
	say(other, EVENT);
	assert_int_equal(status(hear(other)), 200);
	for (unsigned i = 0; i < 4; i++)
		(void)close(fd[i]);
	(void)close(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_long_list_goes_as_far_as_there_is_room),
		TEST(lines_beyond_a_thousand_are_left_out),
		TEST(a_flood_is_nobody_elses_wait),
		TEST(who_goes_leaves_no_answer_to_others),
		TEST(a_disk_is_waited_for_eight_seconds),
		TEST(without_room_for_the_first_it_is_not_stored),
		TEST(an_agent_that_ends_answers_what_it_took),
		TEST(who_is_slow_is_let_go),
		TEST(who_does_not_read_is_let_go),
		TEST(further_connections_wait_for_a_place),
		TEST(one_user_leaves_places_for_others),
		TEST(memory_for_all_has_its_end),
		TEST(one_user_leaves_memory_for_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
