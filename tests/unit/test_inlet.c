/*
 * The step inlet: lines by a table (tests/data/inlet/lines.json), the socket
 * with a sink that does as it is told and a clock that stands still, and once
 * the whole with a real spool.
 */
#include "inlet_kit.h"

/* ---- lines ---- */

static size_t
from_hex(const char *hex, char *out, size_t size)
{
	size_t n = 0;

	for (; hex[0] != '\0' && n < size; hex += 2) {
		unsigned byte;

		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		out[n++] = (char)byte;
	}
	return n;
}

/* A text, or parts of which some are repeated: "a", ["b", 3] is "abbb". */
static size_t
line_of(const json_t *row, char *out, size_t size)
{
	const json_t *line = json_object_get(row, "line"), *part;
	size_t n = 0, i;

	if (json_object_get(row, "hex") != NULL)
		return from_hex(json_string_value(json_object_get(row, "hex")), out, size);
	if (json_is_string(line)) {
		n = json_string_length(line);
		assert_true(n <= size);
		memcpy(out, json_string_value(line), n);
		return n;
	}
	json_array_foreach(line, i, part)
	{
		const json_t *text = json_is_array(part) ? json_array_get(part, 0) : part;
		json_int_t times =
		    json_is_array(part) ? json_integer_value(json_array_get(part, 1)) : 1;

		for (; times > 0; times--) {
			assert_true(n + json_string_length(text) <= size);
			memcpy(out + n, json_string_value(text), json_string_length(text));
			n += json_string_length(text);
		}
	}
	return n;
}

static bool
is_text(struct bl_str s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

static bool
is_value(const struct bl_attr *a, const json_t *want)
{
	if (json_is_string(want))
		return a->type == BL_ATTR_TEXT && is_text(a->text, json_string_value(want));
	if (json_is_boolean(want))
		return a->type == BL_ATTR_BOOL && a->boolean == json_is_true(want);
	return a->type == BL_ATTR_NUMBER && a->number == json_number_value(want);
}

static void
check_event(const char *name, const struct inlet_report *r, const json_t *want)
{
	const struct bl_event *ev = &r->ev;
	const json_t *attrs = json_object_get(want, "attrs"), *attr;
	const char *id = json_string_value(json_object_get(want, "id"));
	size_t i;

	if (r->kind != INLET_EVENT ||
	    !is_text(ev->type, json_string_value(json_object_get(want, "type"))) ||
	    !is_text(r->id, id != NULL ? id : "") ||
	    r->at_unix_ms != json_integer_value(json_object_get(want, "at")) ||
	    ev->n_attrs != json_array_size(attrs))
		fail_msg("%s: another type, id or number of attributes (%u)", name, ev->n_attrs);
	json_array_foreach(attrs, i, attr)
	{
		if (!is_text(ev->attr[i].key, json_string_value(json_array_get(attr, 0))) ||
		    !is_value(&ev->attr[i], json_array_get(attr, 1)))
			fail_msg("%s: attribute %zu", name, i);
	}
}

static void
check_metric(const char *name, const struct inlet_report *r, const json_t *want)
{
	const json_t *labels = json_object_get(want, "labels"), *label;
	const char *id = json_string_value(json_object_get(want, "id"));
	const char *unit = json_string_value(json_object_get(want, "unit"));
	size_t i;

	if (r->kind != INLET_METRIC ||
	    !is_text(r->def.name, json_string_value(json_object_get(want, "name"))) ||
	    !is_text(r->def.unit, unit != NULL ? unit : "") ||
	    !is_text(r->id, id != NULL ? id : "") ||
	    r->def.kind !=
		(json_is_true(json_object_get(want, "counter")) ? BL_COUNTER : BL_GAUGE) ||
	    r->value != json_number_value(json_object_get(want, "value")) ||
	    r->at_unix_ms != json_integer_value(json_object_get(want, "at")) ||
	    r->def.n_labels != json_array_size(labels))
		fail_msg("%s: another name, unit, kind, value, time, id or number of labels", name);
	json_array_foreach(labels, i, label)
	{
		if (!is_text(r->def.label[i].key, json_string_value(json_array_get(label, 0))) ||
		    !is_text(r->def.label[i].value, json_string_value(json_array_get(label, 1))))
			fail_msg("%s: label %zu", name, i);
	}
}

static void
lines_become_what_the_table_says(void **state)
{
	static char line[8192];
	struct inlet_line *out = malloc(sizeof(*out));
	json_error_t why;
	json_t *rows =
	    json_load_file(BL_TEST_DATA "/inlet/lines.json", JSON_REJECT_DUPLICATES, &why);
	json_t *row;
	size_t i;

	(void)state;
	if (rows == NULL)
		fail_msg("lines.json:%d: %s", why.line, why.text);
	assert_true(json_array_size(rows) > 50);
	json_array_foreach(rows, i, row)
	{
		const char *name = json_string_value(json_object_get(row, "name"));
		const char *error = json_string_value(json_object_get(row, "error"));
		const json_t *attrs = json_object_get(row, "attrs");
		const size_t len = line_of(row, line, sizeof(line));
		/* Exactly as long as it is, so that a byte too far is seen. */
		char *exact = malloc(len > 0 ? len : 1);
		struct bl_err err = { 0 };
		int rc;

		memcpy(exact, line, len);
		rc = inlet_line_parse(exact, len, out, &err);
		free(exact);
		if (error != NULL && (rc != BL_EINVAL || strcmp(err.msg, error) != 0))
			fail_msg("%s: got %d \"%s\"", name, rc, err.msg);
		if (error == NULL && rc != BL_OK)
			fail_msg("%s: got %d \"%s\"", name, rc, err.msg);
		if (error == NULL && attrs != NULL)
			assert_int_equal(out->r.ev.n_attrs, json_integer_value(attrs));
		else if (error == NULL && json_object_get(row, "metric") != NULL)
			check_metric(name, &out->r, json_object_get(row, "metric"));
		else if (error == NULL)
			check_event(name, &out->r, json_object_get(row, "event"));
	}
	json_decref(rows);
	free(out);
}

/* ---- the socket, with a sink that does as it is told ---- */

static void
answers_come_in_the_order_of_lines(void **state)
{
	struct fake *f = *state;
	const int fd = dial(f);
	struct inlet_counters n;

	f->answers_at_once = false;
	say(fd, "step event a\nstep evnt b\nstep event c\r\nstep event d\n");
	(void)serve(f);
	hear(fd, ""); /* the mistake's answer waits for the one before */
	assert_int_equal(f->n_held, 3);
	inlet_done(f->in, f->held[2], 0);
	(void)serve(f);
	hear(fd, "");
	inlet_done(f->in, f->held[0], 0);
	(void)serve(f);
	hear(fd, "ok\nerror: column 6: expected \"begin\", \"end\" or \"event\" after \"step\"\n");
	inlet_done(f->in, f->held[1], 1);
	inlet_done(f->in, f->held[1], 0); /* twice, or late: nobody is confused */
	inlet_done(f->in, 12345, 0);
	(void)serve(f);
	hear(fd, "ok repeated\nok\n");
	inlet_count(f->in, &n);
	assert_int_equal(n.accepted, 2);
	assert_int_equal(n.repeated, 1);
	assert_int_equal(n.bad_lines, 1);
	assert_int_equal(n.clients, 1);
	assert_int_equal(close(fd), 0);
	(void)serve(f);
	inlet_count(f->in, &n);
	assert_int_equal(n.clients, 0);
	assert_true(inlet_deadline(f->in) == INT64_MAX);
}

static void
lines_may_come_in_any_pieces(void **state)
{
	static const char text[] = "step begin 1 \xe5\xae\xa1 id=x\nstep end 1 \xe5\xae\xa1\n";
	struct fake *f = *state;
	const int fd = dial(f);

	for (size_t i = 0; i + 1 < sizeof(text); i++) {
		const char one[2] = { text[i], '\0' };

		say(fd, one);
		(void)serve(f);
	}
	hear(fd, "ok\nok\n");
	assert_int_equal(close(fd), 0);
}

static void
the_end_of_input_ends_the_last_line(void **state)
{
	struct fake *f = *state;
	const int fd = dial(f), none = dial(f);

	say(fd, "step event 1\nstep event last");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_int_equal(shutdown(none, SHUT_WR), 0);
	(void)serve(f);
	hear_the_end(fd, "ok\nok\n");
	hear_the_end(none, "");
	assert_string_equal(f->last_case, "last");
}

/* Written, and gone without reading: what was said counts. */
static void
a_hang_up_is_no_refusal(void **state)
{
	struct fake *f = *state;
	struct inlet_counters n;
	int fd = dial(f);

	for (unsigned i = 0; i < 100; i++)
		say(fd, "step event 1\n");
	assert_int_equal(close(fd), 0);
	(void)serve(f);
	assert_int_equal(f->events, 100);
	inlet_count(f->in, &n);
	assert_int_equal(n.clients, 0);
	/* And gone while the disk is waited for. */
	f->answers_at_once = false;
	fd = dial(f);
	for (unsigned i = 0; i < 100; i++)
		say(fd, "step event 1\n");
	assert_int_equal(close(fd), 0);
	assert_true(serve(f) < 20); /* no spin over a descriptor that hung up */
	f->answers_at_once = true;
	answer_held(f, 0);
	(void)serve(f);
	assert_int_equal(f->events, 200);
	inlet_count(f->in, &n);
	assert_int_equal(n.clients, 0);
}

/* amount=1000, written by a program that was killed at the third digit, is not amount=100. */
static void
half_a_line_of_who_has_gone_is_not_taken(void **state)
{
	struct fake *f = *state;
	struct inlet_counters n;
	int fd = dial(f);

	say(fd, "step event 1 amount=1000\nstep event 2 amount=100");
	assert_int_equal(close(fd), 0);
	(void)serve(f);
	assert_int_equal(f->events, 1);
	assert_string_equal(f->last_case, "1");
	/* The same while the inlet waits for the rest. */
	fd = dial(f);
	say(fd, "step event 3 amount=100");
	(void)serve(f);
	assert_int_equal(close(fd), 0);
	(void)serve(f);
	/* The rest of a line that was refused before is no other one. */
	fd = dial(f);
	for (unsigned i = 0; i < 100; i++)
		say(fd, "step event 4 note=\"so much that no end of it is in sight\" ");
	assert_int_equal(close(fd), 0);
	assert_true(serve(f) < 20);
	assert_int_equal(f->events, 1);
	inlet_count(f->in, &n);
	assert_int_equal(n.clients, 0);
	assert_int_equal(n.bad_lines, 3);
}

static void
a_line_that_is_too_long_is_skipped(void **state)
{
	static const size_t lengths[] = { 4096, 4097, 4098, 4099, 8192, 30000 };
	struct fake *f = *state;
	const int fd = dial(f);

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		char *line = malloc(lengths[i] + 2);
		bool end;

		memset(line, ' ', lengths[i]);
		memcpy(line, "step event 1", 12);
		memcpy(line + lengths[i], "\n", 2);
		say(fd, line);
		free(line);
		say(fd, "step event 2\n");
		(void)serve(f);
		if (lengths[i] <= 4096)
			hear(fd, "ok\nok\n");
		else {
			const char *text = heard(fd, &end);

			assert_non_null(strstr(text, "error: "));
			assert_non_null(strstr(text, "4096 bytes"));
			assert_string_equal(strchr(text, '\n') + 1, "ok\n");
		}
	}
	/* Without an end, and then gone. */
	say(fd, "step event 3\n");
	for (unsigned i = 0; i < 5000; i++) {
		say(fd, "xxxxxxxxxx");
		(void)serve(f);
	}
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	(void)serve(f);
	hear_the_end(fd, "ok\nerror: the line is longer than 4096 bytes; it was skipped\n");
}

#define SHARE_USED                                                                                 \
	"error: too many connections of this user, who has 64; the others are for others; try "    \
	"again later\n"

static void
more_clients_than_places_are_turned_away(void **state)
{
	struct fake *f = *state;
	int fd[INLET_USER_MOST], more;
	struct inlet_counters n;

	for (unsigned i = 0; i < INLET_USER_MOST; i++) {
		fd[i] = dial(f);
		(void)serve(f);
		f->mono_ms++;
	}
	more = dial(f);
	(void)serve(f);
	hear_the_end(more, SHARE_USED);
	/* All of them still work. */
	for (unsigned i = 0; i < INLET_USER_MOST; i++) {
		say(fd[i], "step event 1\n");
		(void)serve(f);
		hear(fd[i], "ok\n");
		f->mono_ms++;
	}
	/* Who has been silent for longest makes room. */
	say(fd[0], "step ev");
	(void)serve(f);
	f->mono_ms += 10000;
	more = dial(f);
	say(more, "step event 1\n");
	(void)serve(f);
	hear(more, "ok\n");
	hear_the_end(fd[1], "");
	say(fd[0], "ent 1\n");
	(void)serve(f);
	hear(fd[0], "ok\n");
	inlet_count(f->in, &n);
	assert_int_equal(n.clients, INLET_USER_MOST);
	assert_int_equal(n.user_clients, 1);
	assert_int_equal(n.idle_clients, 1);
	assert_int_equal(close(more), 0);
	assert_int_equal(close(fd[0]), 0);
	for (unsigned i = 2; i < INLET_USER_MOST; i++)
		assert_int_equal(close(fd[i]), 0);
	(void)serve(f);
	inlet_count(f->in, &n);
	assert_int_equal(n.clients, 0);
}

/* With half a line, or no ear for answers: others get their places all the same. */
static void
who_does_nothing_makes_room(void **state)
{
	struct fake *f = *state;
	int fd[INLET_USER_MOST], more[3];
	struct inlet_counters n;
	bool end = false;

	for (unsigned i = 0; i < INLET_USER_MOST; i++) {
		fd[i] = dial(f);
		say(fd[i], i == 1 ? "" : "step ev");
		(void)serve(f);
	}
	while (send(fd[1], "no line\n", 8, MSG_NOSIGNAL) == 8)
		(void)serve(f);
	f->mono_ms += 9999;
	more[0] = dial(f);
	(void)serve(f);
	hear_the_end(more[0], SHARE_USED);
	f->mono_ms++;
	for (unsigned i = 0; i < 3; i++) {
		more[i] = dial(f);
		say(more[i], "step event 1\n");
		(void)serve(f);
		hear(more[i], "ok\n");
		(void)heard(fd[i], &end);
		assert_true(end);
	}
	inlet_count(f->in, &n);
	assert_true(n.idle_clients == 3 && n.user_clients == 1);
	for (unsigned i = 0; i < INLET_USER_MOST; i++)
		assert_int_equal(close(fd[i]), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(close(more[i]), 0);
}

/* They wait in the kernel until there are descriptors again; nobody turns in circles for them. */
static void
without_descriptors_nobody_is_lost(void **state)
{
	struct fake *f = *state;
	const int early = dial(f), late = dial(f);
	struct rlimit before, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)late + 1; /* the next one would be higher */
	say(early, "step event 1\n");
	say(late, "step event 2\n");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_true(serve(f) < 5);
	hear(early, "");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(inlet_deadline(f->in) == f->mono_ms + 1000);
	f->mono_ms += 1000;
	(void)serve(f);
	hear(early, "ok\n");
	hear(late, "ok\n");
	assert_int_equal(close(early), 0);
	assert_int_equal(close(late), 0);
	(void)serve(f);
	assert_true(inlet_deadline(f->in) == INT64_MAX);
}

static void
silence_ends_a_connection(void **state)
{
	struct fake *f = *state;
	const int fd = dial(f), half = dial(f), waiting = dial(f);

	(void)serve(f);
	f->mono_ms += INLET_IDLE_MS - 1;
	f->answers_at_once = false;
	say(half, "step event");
	say(waiting, "step event 1\n");
	(void)serve(f);
	assert_true(inlet_deadline(f->in) == f->mono_ms + 1);
	f->mono_ms++;
	(void)serve(f);
	hear_the_end(fd, "");
	hear(half, ""); /* it said something a moment ago */
	answer_held(f, 0);
	(void)serve(f);
	hear(waiting, "ok\n");
	f->mono_ms += INLET_IDLE_MS;
	(void)serve(f);
	hear_the_end(half, "");
	hear_the_end(waiting, "");
}

/* Many flood with all that fits; another one's line is taken with the next group all the same. */
static void
a_flood_starves_nobody(void **state)
{
	struct fake *f = *state;
	int flood[40], calm;
	char lines[8192] = "";
	bool end;

	f->answers_at_once = false;
	for (size_t len = 0; len + 16 < sizeof(lines); len += 13)
		memcpy(lines + len, "step event 1\n", 14);
	for (unsigned i = 0; i < 40; i++) {
		flood[i] = dial(f);
		say(flood[i], lines);
	}
	calm = dial(f);
	(void)serve(f);
	for (unsigned round = 0; round < 20; round++) {
		unsigned groups = 0;

		/* What waits for the disk is bounded, for all of them together. */
		assert_in_range(f->n_held, 40, 64);
		say(calm, "step event calm\n");
		while (strcmp(heard(calm, &end), "ok\n") != 0) {
			assert_true(++groups <= 3); /* under way, its own, and the answer's turn */
			answer_held(f, 0);
			inlet_serve(f->in);
		}
	}
	f->answers_at_once = true;
	answer_held(f, 0);
	(void)serve(f);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(close(flood[i]), 0);
	assert_int_equal(close(calm), 0);
	(void)serve(f);
}

/* Answers that nobody reads fill the kernel's buffer, then ours, then we stop reading. */
static void
who_does_not_read_is_not_read_from(void **state)
{
	struct fake *f = *state;
	const int fd = dial(f);
	struct inlet_counters n;
	size_t refused_bytes = 0, lines = 0, answers = 0;
	bool end;

	for (unsigned i = 0; i < 200000 && refused_bytes == 0; i++) {
		if (send(fd, "stop\n", 5, MSG_NOSIGNAL) == 5)
			lines++;
		else
			refused_bytes = 5;
		if (i % 100 == 0)
			(void)serve(f);
	}
	assert_int_equal(refused_bytes, 5);
	assert_true(serve(f) < 10);
	/* It reads at last: everything is there, nothing twice. */
	for (unsigned i = 0; i < 100000 && answers < lines; i++) {
		const char *text = heard(fd, &end);

		for (; *text != '\0'; text++)
			answers += *text == '\n';
		(void)serve(f);
	}
	assert_int_equal(answers, lines);
	inlet_count(f->in, &n);
	assert_int_equal(n.bad_lines, lines);
	assert_int_equal(close(fd), 0);
	(void)serve(f);
}

static void
a_disk_that_does_not_answer_is_said(void **state)
{
	struct fake *f = *state;
	const int fd = dial(f), other = dial(f);
	struct inlet_counters n;
	uint64_t late;

	f->answers_at_once = false;
	f->problem = "the disk\nis full \xe9";
	say(fd, "step event 1 id=a\n");
	(void)serve(f);
	assert_true(inlet_deadline(f->in) == f->mono_ms + INLET_ANSWER_MS);
	f->mono_ms += INLET_ANSWER_MS - 1;
	(void)serve(f);
	hear(fd, "");
	f->mono_ms++;
	(void)serve(f);
	hear(fd,
	    "error: not on disk after 8 s (the disk?is full ?); it waits in memory and is stored "
	    "when that works, unless the agent ends first: say it again with the same id to be "
	    "sure\n");
	late = f->held[0];
	/* What waits in vain already keeps others out, at once and for certain. */
	say(other, "step event 2\n");
	(void)serve(f);
	hear(other,
	    "error: not stored: what came before still waits for the disk (the disk?is full ?); "
	    "try again later\n");
	assert_int_equal(f->events, 1);
	/* The disk is back. */
	f->problem = "";
	f->n_held = 0;
	f->answers_at_once = true;
	inlet_done(f->in, late, 0);
	(void)serve(f);
	hear(fd, ""); /* it had its answer */
	say(other, "step event 2\n");
	(void)serve(f);
	hear(other, "ok\n");
	inlet_count(f->in, &n);
	assert_int_equal(n.late, 1);
	assert_int_equal(n.not_stored, 1);
	assert_int_equal(n.accepted, 1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(close(other), 0);
	(void)serve(f);
}

static void
what_the_sink_refuses_is_said(void **state)
{
	struct fake *f = *state;
	const int fd = dial(f);

	f->sink_rc = BL_EFULL;
	say(fd, "step event 1\n");
	(void)serve(f);
	hear(fd, "error: not stored: what came before still waits for the disk; try again later\n");
	f->sink_rc = BL_OK;
	f->answers_at_once = false;
	say(fd, "step event 1\nstep event 2\n");
	(void)serve(f);
	assert_int_equal(f->n_held, 2);
	inlet_done(f->in, f->held[0], BL_EFULL);
	inlet_done(f->in, f->held[1], BL_EIO);
	(void)serve(f);
	hear(fd, "error: not stored: disk and memory are full; try again later\n"
		 "error: not stored: the agent could not write it; try again later\n");
	assert_int_equal(close(fd), 0);
	(void)serve(f);
}

/* The agent stops: nothing new is read, what was taken is answered. */
static void
finishing_answers_what_was_taken(void **state)
{
	struct fake *f = *state;
	const int fd = dial(f);

	f->answers_at_once = false;
	say(fd, "step event 1\nstep event 2\n");
	(void)serve(f);
	say(fd, "step event 3\n");
	inlet_finish(f->in);
	assert_int_equal(access(f->path, F_OK), -1);
	inlet_done(f->in, f->held[0], 0);
	inlet_done(f->in, f->held[1], 0);
	inlet_serve(f->in);
	assert_int_equal(f->events, 2);
	hear_the_end(fd, "ok\nok\n");
}

static void
the_place_of_the_socket_is_looked_at(void **state)
{
	struct fake *f = *state;
	char path[200], deep[200], name[300] = "";
	struct inlet *other = NULL;
	struct bl_err err = { 0 };
	struct stat st;
	int fd;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	/* Another one lives there. */
	assert_int_equal(fake_open_at(f, f->path, &other, &err), BL_EBUSY);
	assert_null(other);
	fd = dial(f); /* and was not disturbed */
	say(fd, "step event 1\n");
	(void)serve(f);
	hear(fd, "ok\n");
	assert_int_equal(close(fd), 0);
	(void)serve(f);
	/* A dead one's is replaced. */
	(void)snprintf(path, sizeof(path), "%s/dead", f->dir);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	{
		struct sockaddr_un sa = { .sun_family = AF_UNIX };

		(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%.100s", path);
		assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	}
	assert_int_equal(close(fd), 0);
	assert_int_equal(fake_open_at(f, path, &other, &err), BL_OK);
	inlet_close(other);
	/* What is no socket stays. */
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0 && close(fd) == 0);
	assert_int_equal(fake_open_at(f, path, &other, &err), BL_EEXIST);
	assert_int_equal(unlink(path), 0);
	/* A folder is made, one. */
	(void)snprintf(path, sizeof(path), "%s/run", f->dir);
	(void)snprintf(deep, sizeof(deep), "%s/more/steps.sock", path);
	assert_int_equal(fake_open_at(f, deep, &other, &err), BL_ENOTFOUND);
	(void)snprintf(deep, sizeof(deep), "%s/steps.sock", path);
	assert_int_equal(fake_open_at(f, deep, &other, &err), BL_OK);
	inlet_close(other);
	assert_int_equal(rmdir(path), 0);
	/* A folder whose name is longer than an address holds. */
	memset(name, 'x', 120);
	(void)snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	(void)snprintf(name, sizeof(name), "%s/steps.sock", path);
	assert_int_equal(fake_open_at(f, name, &other, &err), BL_OK);
	fd = dial_path(name);
	inlet_serve(other);
	assert_int_equal(close(fd), 0);
	inlet_close(other);
	assert_int_equal(rmdir(path), 0);
}

static void
a_group_that_does_not_exist_is_named(void **state)
{
	struct fake *f = *state;
	char path[200];
	struct inlet *other;
	struct bl_err err = { 0 };
	const struct inlet_opts opts = { .path = path,
		.mode = 0660,
		.group = "no-such-group",
		.clock = &f->clock,
		.sink = { f, fake_report, fake_problem } };

	(void)snprintf(path, sizeof(path), "%s/other", f->dir);
	assert_int_equal(inlet_open(&other, &opts, &err), BL_ENOTFOUND);
	assert_string_equal(err.msg, "there is no group \"no-such-group\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		cmocka_unit_test(lines_become_what_the_table_says),
		T(answers_come_in_the_order_of_lines),
		T(lines_may_come_in_any_pieces),
		T(the_end_of_input_ends_the_last_line),
		T(a_hang_up_is_no_refusal),
		T(half_a_line_of_who_has_gone_is_not_taken),
		T(a_line_that_is_too_long_is_skipped),
		T(more_clients_than_places_are_turned_away),
		T(who_does_nothing_makes_room),
		T(without_descriptors_nobody_is_lost),
		T(silence_ends_a_connection),
		T(a_flood_starves_nobody),
		T(who_does_not_read_is_not_read_from),
		T(a_disk_that_does_not_answer_is_said),
		T(what_the_sink_refuses_is_said),
		T(finishing_answers_what_was_taken),
		T(the_place_of_the_socket_is_looked_at),
		T(a_group_that_does_not_exist_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
