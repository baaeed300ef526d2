/* The datagram socket: a line each, answers to those that can be found, no flood that is lost. */
#include "inlet_kit.h"

static char datagram_path[120];

static int
setup_datagrams(void **state)
{
	struct bl_err err = { 0 };
	struct inlet_opts opts;
	struct fake *f;

	(void)setup(state);
	f = *state;
	inlet_close(f->in);
	(void)snprintf(datagram_path, sizeof(datagram_path), "%s/lines.sock", f->dir);
	opts = (struct inlet_opts){ .path = f->path,
		.datagram = datagram_path,
		.mode = 0640,
		.clock = &f->clock,
		.sink = { f, fake_report, fake_problem } };
	if (inlet_open(&f->in, &opts, &err) < 0)
		fail_msg("open: %s", err.msg);
	return 0;
}

static int
teardown_datagrams(void **state)
{
	struct fake *f = *state;

	inlet_close(f->in);
	f->in = NULL;
	assert_int_equal(access(datagram_path, F_OK), -1);
	return teardown(state);
}

/* A sender; bound: with an address of the kernel's choice. */
static int
sender(bool bound)
{
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const struct sockaddr_un any = { .sun_family = AF_UNIX };

	assert_true(fd >= 0);
	if (bound)
		assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof(sa_family_t)), 0);
	return fd;
}

/* False: the kernel's queue is full. */
static bool
post(int fd, const void *text, size_t len)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", datagram_path);
	if (sendto(fd, text, len, 0, (const struct sockaddr *)&sa, sizeof(sa)) == (ssize_t)len)
		return true;
	assert_true(errno == EAGAIN);
	return false;
}

static void
gets(int fd, const char *want)
{
	char text[1024];
	const ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	assert_string_equal(text, want);
}

/* `logger` binds no address: without a line in the log nobody would learn what is wrong. */
static void
a_mistake_that_nobody_can_be_told_stands_in_the_log(void **state)
{
	static const char said[] = "expected \"step\", \"case\", \"event\" or \"metric\", got "
				   "\"hello\" suppressed=0\n";
	struct fake *f = *state;
	const int kept = dup(STDERR_FILENO), fd = sender(false), told = sender(true);
	char text[1024];
	ssize_t n;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_true(kept >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
	(void)close(ends[1]);
	assert_true(post(told, "bye", 3) && post(fd, "event a.b", 9) && post(fd, "hello", 5) &&
		    post(fd, "hello", 5));
	(void)serve(f);
	(void)dup2(kept, STDERR_FILENO);
	(void)close(kept);
	n = read(ends[0], text, sizeof(text) - 1);
	(void)close(ends[0]);
	text[n > 0 ? n : 0] = '\0';
	assert_non_null(strstr(text, said));
	assert_ptr_equal(strchr(text, '\n') + 1, strchr(text, '\0'));
	(void)close(fd);
	(void)close(told);
}

/* With descriptors that come along, too: they are closed. */
static void
the_kernel_says_whose_it_is(void **state)
{
	struct fake *f = *state;
	const int fd = sender(false), one = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(_Alignof(struct cmsghdr))));
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct iovec iov = { "event a.b x=1", 13 };
	struct msghdr m = { &sa, sizeof(sa), &iov, 1, control, sizeof(control), 0 };
	const uid_t me = geteuid();
	int next;

	assert_true(one >= 0);
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", datagram_path);
	memset(control, 0, sizeof(control));
	*CMSG_FIRSTHDR(&m) = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &one, sizeof(one));
	assert_int_equal(sendmsg(fd, &m, 0), 13);
	(void)serve(f);
	assert_int_equal(f->last_user, me + 1);
	if (me == 0) {
		assert_int_equal(chmod(f->dir, 0755), 0);
		assert_int_equal(chmod(datagram_path, 0666), 0);
		assert_int_equal(setresuid(1000, 1000, 0), 0);
		assert_true(post(fd, "event a.b x=1", 13));
		assert_int_equal(setresuid(0, 0, 0), 0);
		(void)serve(f);
		assert_int_equal(f->last_user, 1001);
	}
	next = dup(one);
	assert_true(next == one + 1 || next < one); /* nothing was left open on the way */
	assert_int_equal(close(next), 0);
	assert_int_equal(close(one), 0);
	assert_int_equal(close(fd), 0);
}

static void
each_is_a_line_with_its_answer(void **state)
{
	static const char longer[5000] = "step event 1 a=", with_zero[] = "step event zero";
	struct fake *f = *state;
	struct inlet_counters n;
	const int fd = sender(true), silent = sender(false);

	assert_true(post(fd, "step event one\n", 15));
	(void)serve(f);
	gets(fd, "ok\n");
	assert_string_equal(f->last_case, "one");
	assert_true(post(fd, with_zero, sizeof(with_zero)) && post(fd, "metric dozen 12", 15));
	(void)serve(f);
	gets(fd, "ok\n");
	gets(fd, "ok\n");
	assert_string_equal(f->last_case, "dozen");
	assert_true(post(fd, longer, sizeof(longer)) && post(fd, "step evnt", 9) &&
		    post(fd, "", 0) && post(fd, "case 1\ncase 2", 13));
	(void)serve(f);
	gets(fd, "error: the datagram is longer than 4608 bytes\n");
	gets(fd, "error: column 6: expected \"begin\", \"end\" or \"event\" after \"step\"\n");
	gets(fd, "error: column 1: expected \"step\", \"case\", \"event\" or \"metric\"\n");
	gets(fd,
	    "error: column 7: expected text, got the control character 0x0a; a line break is \\n "
	    "inside double quotes\n");
	f->sink_rc = BL_EINVAL;
	assert_true(post(fd, "case refused", 12));
	(void)serve(f);
	gets(fd, "error: the sink says so\n");
	f->sink_rc = 0;
	/* Who has no address is heard all the same. */
	assert_true(post(silent, "case silent", 11));
	(void)serve(f);
	assert_string_equal(f->last_case, "silent");
	inlet_count(f->in, &n);
	assert_true(n.accepted == 4 && n.bad_lines == 5 && n.unanswered == 0 && n.not_stored == 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(close(silent), 0);
}

/* No room: they stay with the kernel, nobody spins, and all come through in the end. */
static void
a_flood_waits_and_is_not_lost(void **state)
{
	struct fake *f = *state;
	const int fd = sender(false), client = dial(f);
	unsigned said = 0, full = 0;
	struct pollfd p;
	char line[64];

	f->answers_at_once = false;
	for (unsigned tries = 0; full < 3; tries++) {
		const int len = snprintf(line, sizeof(line), "case %u", said);

		assert_true(tries < 10000);
		if (post(fd, line, (size_t)len)) {
			said++;
			full = 0;
		} else {
			full++;
		}
		(void)serve(f);
	}
	assert_true(f->n_held > 16 && said > f->n_held);
	p = (struct pollfd){ inlet_fd(f->in), POLLIN, 0 };
	assert_int_equal(poll(&p, 1, 0), 0); /* nothing that could be done is told of */
	say(client, "case of-a-client\n");   /* its line waits for room, too */
	(void)serve(f);
	hear(client, "");
	f->answers_at_once = true;
	answer_held(f, 0);
	(void)serve(f);
	for (unsigned i = 0; i < 100; i++)
		while (!post(fd, "case last", 9))
			(void)serve(f);
	(void)serve(f);
	hear(client, "ok\n");
	assert_int_equal(f->events, said + 100 + 1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(close(client), 0);
}

/* Gone, or not reading: its answers are lost to it alone. */
static void
who_does_not_read_answers_harms_nobody(void **state)
{
	struct fake *f = *state;
	const int gone = sender(true), deaf = sender(true), other = sender(true);
	struct inlet_counters n;

	f->answers_at_once = false;
	assert_true(post(gone, "case gone", 9));
	(void)serve(f);
	assert_int_equal(close(gone), 0);
	answer_held(f, 0);
	f->answers_at_once = true;
	for (unsigned i = 0; i < 200; i++) {
		while (!post(deaf, "case deaf", 9))
			(void)serve(f);
		(void)serve(f);
	}
	assert_true(post(other, "case other", 10));
	(void)serve(f);
	gets(other, "ok\n");
	inlet_count(f->in, &n);
	assert_int_equal(n.accepted, 202);
	assert_true(n.unanswered > 100);
	assert_int_equal(close(deaf), 0);
	assert_int_equal(close(other), 0);
}

/* Bound to a path, as it is written. */
static int
bound_to(const char *path)
{
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	assert_true(fd >= 0);
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* Its address leads to the socket itself: it would talk with itself for ever. */
static void
an_answer_is_not_answered(void **state)
{
	struct fake *f = *state;
	struct inlet_counters n;
	char path[120];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/back.sock", f->dir);
	fd = bound_to(path);
	assert_true(post(fd, "case taken", 10) && post(fd, "case", 4));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(datagram_path, path), 0);
	(void)serve(f); /* it comes to an end */
	inlet_count(f->in, &n);
	assert_int_equal(n.accepted, 1);
	assert_int_equal(n.bad_lines, 3); /* the short one, and both answers */
	assert_int_equal(n.unanswered, 2);
	assert_int_equal(close(fd), 0);
	assert_int_equal(unlink(path), 0);
}

/* A path that is not absolute means another socket here than where it was bound. */
static void
no_answer_goes_to_somebody_else(void **state)
{
	struct fake *f = *state;
	const int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct inlet_counters n;
	char there[120];
	int fd, other;

	assert_true(before >= 0);
	(void)snprintf(there, sizeof(there), "%s/there", f->dir);
	assert_int_equal(mkdir(there, 0700), 0);
	assert_int_equal(chdir(there), 0);
	fd = bound_to("back.sock");
	assert_int_equal(chdir(f->dir), 0);
	other = bound_to("back.sock");
	assert_true(post(fd, "case 1", 6));
	(void)serve(f);
	gets(other, "");
	inlet_count(f->in, &n);
	assert_true(n.accepted == 1 && n.unanswered == 1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(close(other), 0);
	assert_int_equal(unlink("there/back.sock"), 0);
	assert_int_equal(unlink("back.sock"), 0);
	assert_int_equal(rmdir("there"), 0);
	assert_int_equal(fchdir(before), 0);
	assert_int_equal(close(before), 0);
}

static void
a_disk_that_hangs_is_said_and_others_are_refused(void **state)
{
	struct fake *f = *state;
	const int fd = sender(true);
	struct inlet_counters n;

	f->answers_at_once = false;
	f->problem = "the disk is slow";
	assert_true(post(fd, "case late id=1", 14));
	(void)serve(f);
	f->mono_ms += INLET_ANSWER_MS;
	(void)serve(f);
	gets(fd,
	    "error: not on disk after 8 s (the disk is slow); it waits in memory and is stored "
	    "when "
	    "that works, unless the agent ends first: say it again with the same id to be sure\n");
	assert_true(post(fd, "case refused", 12));
	(void)serve(f);
	gets(fd,
	    "error: not stored: what came before still waits for the disk (the disk is slow); try "
	    "again later\n");
	answer_held(f, 0); /* nobody is told a second time */
	f->answers_at_once = true;
	assert_true(post(fd, "case again", 10));
	(void)serve(f);
	gets(fd, "ok\n");
	inlet_count(f->in, &n);
	assert_true(n.late == 1 && n.not_stored == 1 && n.accepted == 1);
	assert_int_equal(close(fd), 0);
}

static void
what_was_taken_is_answered_after_the_end(void **state)
{
	struct fake *f = *state;
	const int fd = sender(true);

	f->answers_at_once = false;
	assert_true(post(fd, "case 1", 6));
	(void)serve(f);
	assert_true(post(fd, "case 2", 6));
	inlet_finish(f->in);
	inlet_serve(f->in);
	assert_int_equal(f->events, 1);
	answer_held(f, 0);
	inlet_serve(f->in);
	gets(fd, "ok\n");
	assert_int_equal(close(fd), 0);
}

static void
a_place_that_is_taken_is_left_alone(void **state)
{
	struct inlet_opts opts = { .mode = 0600, .datagram = datagram_path };
	struct fake *f = *state;
	char stream[120], dead[120];
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct inlet *in = NULL;
	struct bl_err err = { 0 };
	int fd;

	(void)snprintf(stream, sizeof(stream), "%s/other.sock", f->dir);
	(void)snprintf(dead, sizeof(dead), "%s/dead.sock", f->dir);
	opts.path = stream;
	opts.clock = &f->clock;
	opts.sink = (struct inlet_sink){ f, fake_report, fake_problem };
	assert_int_equal(inlet_open(&in, &opts, &err), BL_EBUSY);
	assert_int_equal(access(datagram_path, F_OK), 0);
	assert_int_equal(access(stream, F_OK), -1); /* and nothing of it stays */
	/* What a dead program left there is replaced. */
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", dead);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(close(fd), 0);
	opts.datagram = dead;
	assert_int_equal(inlet_open(&in, &opts, &err), BL_OK);
	inlet_close(in);
	assert_int_equal(access(dead, F_OK), -1);
}

static void
the_message_of_an_envelope_is_found(void **state)
{
	static const struct {
		const char *line, *message; /* NULL: there is no envelope */
	} rows[] = {
		{ "<13>Nov 28 10:00:00 root: case 1", "case 1" },
		{ "<13>Nov  8 10:00:00 root[4711]: case 1 a=\"b: c\"", "case 1 a=\"b: c\"" },
		{ "<13>Nov 28 10:00:00 till-2 shop[1]: case 1", "case 1" },
		{ "<13>Nov 28 10:00:00 case 1", "case 1" },
		{ "<13>shop: case 1", "case 1" },
		{ "<191>case 1", "case 1" },
		{ "<13>Nov 28 10:00:00 root:", "root:" },
		{ "<13>1 2026-11-28T10:00:00.1+08:00 till shop 1 - - case 1", "case 1" },
		{ "<13>1 - - - - - [a@1 b=\"c] \\\" d\" e=\"\"][f] \xef\xbb\xbf"
		  "case 1",
		    "case 1" },
		{ "<13>1 - - - - - [a b=\"c", NULL },
		{ "<13>1 - - - -", NULL },
		{ "<13>", "" },
		{ "<1234>case 1", NULL },
		{ "<>case 1", NULL },
		{ "<13", NULL },
		{ "13>case 1", NULL },
		{ "case 1: x", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const size_t len = strlen(rows[i].line), at = inlet_line_message(rows[i].line, len);

		if (rows[i].message == NULL ? at != 0
					    : strcmp(rows[i].line + at, rows[i].message) != 0)
			fail_msg("%s: %zu", rows[i].line, at);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    each_is_a_line_with_its_answer, setup_datagrams, teardown_datagrams),
		cmocka_unit_test_setup_teardown(a_mistake_that_nobody_can_be_told_stands_in_the_log,
		    setup_datagrams, teardown_datagrams),
		cmocka_unit_test_setup_teardown(
		    the_kernel_says_whose_it_is, setup_datagrams, teardown_datagrams),
		cmocka_unit_test_setup_teardown(
		    a_flood_waits_and_is_not_lost, setup_datagrams, teardown_datagrams),
		cmocka_unit_test_setup_teardown(
		    who_does_not_read_answers_harms_nobody, setup_datagrams, teardown_datagrams),
		cmocka_unit_test_setup_teardown(
		    an_answer_is_not_answered, setup_datagrams, teardown_datagrams),
		cmocka_unit_test_setup_teardown(
		    no_answer_goes_to_somebody_else, setup_datagrams, teardown_datagrams),
		cmocka_unit_test_setup_teardown(a_disk_that_hangs_is_said_and_others_are_refused,
		    setup_datagrams, teardown_datagrams),
		cmocka_unit_test_setup_teardown(
		    what_was_taken_is_answered_after_the_end, setup_datagrams, teardown_datagrams),
		cmocka_unit_test_setup_teardown(
		    a_place_that_is_taken_is_left_alone, setup_datagrams, teardown_datagrams),
		cmocka_unit_test(the_message_of_an_envelope_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
