/*
 * Histories of a drop folder at random: files come, the disk takes reports, refuses
 * some, is slow; the agent is ended and killed, with the state that it wrote last, an
 * older one or none.  At the end each row is stored once, by ids alone, and each wrong line
 * stands in bad/ once.
 */
#include "drop_kit.h"

#define FILES    6u
#define ROWS_MAX 120u

struct row {
	bool wanted, stored;
	char id[65]; /* of its first report; all have this one */
};

struct history {
	struct world *w;
	uint64_t random;
	unsigned n_files, n_rows[FILES], n_bad[FILES];
	struct row row[FILES][ROWS_MAX];
	/* What the spool has in its queue, in order: the same as the host holds. */
	unsigned first, n_queue;
	struct row *queue[FAKE_HOST_HELD];
	char state[2][512]; /* as it was once, and once before */
};

static unsigned
below(struct history *h, unsigned bound)
{
	h->random = h->random * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(h->random >> 33) % bound;
}

/* ---- the disk ---- */

/* Reports that were taken since enter the queue; a row has one id, however often it comes. */
static void
hear(struct history *h)
{
	const char *line = fake_host_said(h->w->host);
	unsigned file, nr;
	char id[65];

	while ((line = strstr(line, "event step.begin ")) != NULL) {
		struct row *r;

		assert_int_equal(sscanf(line, "event step.begin id=%64s process=order case=%u-%u",
				     id, &file, &nr),
		    3);
		assert_true(file < h->n_files && nr < h->n_rows[file]);
		r = &h->row[file][nr];
		assert_true(r->wanted);
		if (r->id[0] != '\0')
			assert_string_equal(r->id, id);
		(void)snprintf(r->id, sizeof(r->id), "%s", id);
		assert_true(h->n_queue < FAKE_HOST_HELD);
		h->queue[(h->first + h->n_queue++) % FAKE_HOST_HELD] = r;
		line++;
	}
}

static void
answer_one(struct history *h, bool stored)
{
	struct row *r = h->queue[h->first];
	const int rc = !stored ? BL_EIO : r->stored ? 1 : 0;

	h->first = (h->first + 1) % FAKE_HOST_HELD;
	h->n_queue--;
	r->stored = r->stored || stored;
	assert_true(fake_host_answer_one(h->w->host, rc));
}

static void
answer(struct history *h, unsigned n, unsigned failing)
{
	hear(h);
	while (n-- > 0 && h->n_queue > 0)
		answer_one(h, failing == 0 || below(h, failing) != 0);
}

/* ---- what happens ---- */

static void
drop_one(struct history *h)
{
	struct world *w = h->w;
	const unsigned file = h->n_files++;
	char *text = w->file, name[32];
	size_t n = (size_t)snprintf(text, sizeof(w->file), HEAD);

	h->n_rows[file] = 1 + below(h, ROWS_MAX);
	for (unsigned i = 0; i < h->n_rows[file]; i++) {
		struct row *r = &h->row[file][i];

		r->wanted = below(h, 8) != 0;
		h->n_bad[file] += !r->wanted;
		n += (size_t)snprintf(text + n, sizeof(w->file) - n, "%u-%u,\"s\",%s\r\n%s", file,
		    i, r->wanted ? "begin" : "wrong", below(h, 9) == 0 ? "\n" : "");
	}
	put(w, "next.tmp", text, n, "w");
	(void)snprintf(name, sizeof(name), "%u.csv", file);
	assert_int_equal(rename(path_in(w, "next.tmp"), path_in(w, name)), 0);
}

static void
state_path(const struct history *h, char path[256])
{
	(void)snprintf(path, 256, "%s/drop-orders.state", h->w->state);
}

/* Empty: there is none. */
static void
read_state(const struct history *h, char out[512])
{
	char path[256];
	FILE *f;

	state_path(h, path);
	out[0] = '\0';
	if ((f = fopen(path, "r")) == NULL)
		return;
	out[fread(out, 1, 511, f)] = '\0';
	assert_int_equal(fclose(f), 0);
}

static void
write_state(const struct history *h, const char *text)
{
	char path[256];
	FILE *f;

	state_path(h, path);
	(void)unlink(path);
	if (text[0] == '\0')
		return;
	assert_non_null(f = fopen(path, "w"));
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* What was in the spool's queue is stored, or lost, and nobody hears of it. */
static void
end_agent(struct history *h, bool killed)
{
	char state[512];

	hear(h);
	read_state(h, state);
	close_inlet(h->w);
	if (killed) {
		/* The state that was written last, or after a power cut an older one, or half of
		 * it. */
		switch (below(h, 4)) {
		case 0:
			write_state(h, h->state[0]);
			break;
		case 1:
			state[below(h, 60)] = '\0';
			/* fall through */
		default:
			write_state(h, state);
		}
	}
	open_inlet(h->w);
	answer(h, FAKE_HOST_HELD, killed ? 2 : 0);
}

static void
step(struct history *h)
{
	switch (below(h, 12)) {
	case 0:
		if (h->n_files < FILES)
			drop_one(h);
		break;
	case 1:
		end_agent(h, false);
		break;
	case 2:
		end_agent(h, true);
		break;
	case 3:
		memcpy(h->state[0], h->state[1], sizeof(h->state[0]));
		read_state(h, h->state[1]);
		break;
	case 4:
		answer(h, below(h, 40), 20);
		break;
	case 5:
		h->w->host->room = 1 + below(h, 60);
		break;
	case 6:
	case 7:
		fake_host_pass(h->w->host, below(h, 6000));
		break;
	default:
		answer(h, below(h, 40), 0);
		fake_host_pass(h->w->host, below(h, 300));
	}
}

/* ---- the end ---- */

static bool
all_done(struct history *h)
{
	return count_in(h->w, ".") == 0;
}

static void
check_bad(struct history *h, unsigned file)
{
	char name[48];
	unsigned n = 0;

	(void)snprintf(name, sizeof(name), "bad/%u.csv.bad", file);
	if (!is_there(h->w, name)) {
		assert_int_equal(h->n_bad[file], 0);
		return;
	}
	for (const char *at = bad_of(h->w, name); (at = strstr(at, "line ")) != NULL; at++)
		n++;
	assert_int_equal(n, h->n_bad[file]);
}

static void
one_history(struct world *w, uint64_t seed)
{
	static struct history h;

	memset(&h, 0, sizeof(h));
	h.w = w;
	h.random = seed;
	open_inlet(w);
	for (unsigned i = 0; i < 150; i++)
		step(&h);
	while (h.n_files < FILES)
		drop_one(&h);
	for (unsigned i = 0; i < 2000 && !all_done(&h); i++) {
		answer(&h, FAKE_HOST_HELD, 0);
		fake_host_pass(w->host, 1000);
	}
	assert_true(all_done(&h));
	assert_int_equal(count_in(w, "done"), FILES);
	for (unsigned file = 0; file < FILES; file++) {
		for (unsigned i = 0; i < h.n_rows[file]; i++)
			if (h.row[file][i].stored != h.row[file][i].wanted)
				fail_msg("row %u-%u", file, i);
		check_bad(&h, file);
	}
	answer(&h, FAKE_HOST_HELD, 0);
	close_inlet(w);
}

static void
each_row_is_there_once_whatever_happens(void **state)
{
	const uint64_t seed = chance_seed();
	const unsigned n = rounds(6, 500);
	struct world *w = *state;

	configure(w, steps_conf);
	close_inlet(w);
	w->host->at_once = false;
	for (unsigned i = 0; i < n; i++) {
		printf("seed %llu (BL_SEED repeats it)\n", (unsigned long long)(seed + i));
		one_history(w, seed + i);
		folder_remove(w->in);
		assert_int_equal(mkdir(w->in, 0700), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    each_row_is_there_once_whatever_happens, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
