/* Time, chance, the queue of what happens next, the trace; and a run from begin to end. */
#include "sim.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEGIN_UNIX_MS INT64_C(1795824000000) /* 2026-11-28 */
#define SPINS         200000 /* things that happen at one instant: somebody does not wait */
#define QUIET_TIMES   6 /* of 15 min: a ledger entry without seqs may travel with an hourly cut */
/* No multiple of the minute in which streams are cut: a batch under way at one look is not at the
 * next. */
#define LOOK_MS   (15 * SIM_MINUTE + 7919)
#define SETTLE_MS (36 * SIM_HOUR) /* at most: deadlines double, refusals last 5 min */

/* ---- chance (splitmix64) ---- */

uint64_t
sim_random(struct sim *w)
{
	uint64_t z = w->rng += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t
sim_below(struct sim *w, uint64_t bound)
{
	return bound == 0 ? 0 : sim_random(w) % bound;
}

bool
sim_chance(struct sim *w, unsigned thousandths)
{
	return thousandths > 0 && sim_below(w, 1000) < thousandths;
}

int64_t
sim_between(struct sim *w, int64_t lo, int64_t hi)
{
	return hi <= lo ? lo : lo + (int64_t)sim_below(w, (uint64_t)(hi - lo) + 1);
}

void
sim_clock_random(void *ctx, void *out, size_t len)
{
	struct sim *w = ctx;
	uint8_t *p = out;

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(sim_random(w) >> 56);
}

/* ---- the queue ---- */

static bool
before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at != b->at ? a->at < b->at : a->no < b->no;
}

void
sim_at(struct sim *w, int64_t at, enum sim_kind kind, unsigned who, uint64_t life, void *data)
{
	size_t i = w->n_heap++;

	if (w->n_heap > w->size_heap) {
		w->size_heap = w->size_heap * 2 + 1024;
		w->heap = realloc(w->heap, w->size_heap * sizeof(*w->heap));
		assert(w->heap != NULL);
	}
	w->heap[i] =
	    (struct sim_event){ at < w->now ? w->now : at, w->event_no++, kind, who, life, data };
	while (i > 0 && before(&w->heap[i], &w->heap[(i - 1) / 2])) {
		const struct sim_event t = w->heap[i];

		w->heap[i] = w->heap[(i - 1) / 2];
		w->heap[(i - 1) / 2] = t;
		i = (i - 1) / 2;
	}
}

bool
sim_next(struct sim *w, struct sim_event *out)
{
	size_t i = 0, child;

	if (w->n_heap == 0)
		return false;
	*out = w->heap[0];
	w->heap[0] = w->heap[--w->n_heap];
	while ((child = 2 * i + 1) < w->n_heap) {
		struct sim_event t;

		if (child + 1 < w->n_heap && before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!before(&w->heap[child], &w->heap[i]))
			break;
		t = w->heap[i];
		w->heap[i] = w->heap[child];
		w->heap[child] = t;
		i = child;
	}
	return true;
}

/* ---- the trace ---- */

void
sim_trace_bytes(struct sim *w, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		w->trace = (w->trace ^ p[i]) * UINT64_C(1099511628211);
}

void
sim_trace(struct sim *w, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	sim_trace_bytes(w, &w->now, sizeof(w->now));
	sim_trace_bytes(w, line, n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1);
	if (w->verbose)
		(void)fprintf(stderr, "%9.3f %s\n", (double)(w->now - w->begin) / 1000.0, line);
}

void
sim_fail(struct sim *w, const char *fmt, ...)
{
	va_list ap;

	if (w->fail[0] != '\0')
		return;
	va_start(ap, fmt);
	(void)vsnprintf(w->fail, sizeof(w->fail), fmt, ap);
	va_end(ap);
}

/* ---- values: exact in a double ---- */

double
sim_value(unsigned machine, unsigned series, unsigned n)
{
	return (double)(((uint64_t)machine * 16 + series) << 24 | n);
}

bool
sim_value_parse(double v, unsigned *machine, unsigned *series, unsigned *n)
{
	uint64_t u;

	if (!(v >= 0) || v > 9e15)
		return false;
	u = (uint64_t)v;
	*n = (unsigned)(u & 0xffffff);
	*series = (unsigned)(u >> 24 & 15);
	*machine = (unsigned)(u >> 28);
	return (double)u == v;
}

void
sim_erase(struct sim *w, unsigned machine, int64_t from, int64_t to)
{
	if (w->n_erased == SIM_ERASED_MAX)
		sim_fail(w, "too many erasures for the record");
	else
		w->erased[w->n_erased++] = (struct sim_erased){ machine, from, to };
}

/* ---- files ---- */

static void
copy_file(const char *from, const char *to)
{
	char buf[65536];
	const int in = open(from, O_RDONLY | O_CLOEXEC);
	const int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n;

	assert(in >= 0 && out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			abort();
	(void)close(in);
	(void)close(out);
}

static bool
is_copied(const char *name, const char *base)
{
	const size_t n = strlen(name);

	return strncmp(name, base, strlen(base)) == 0 &&
	       (n < 4 || strcmp(name + n - 4, "-shm") != 0);
}

void
sim_copy_files(const char *from, const char *to, const char *base)
{
	char a[1024], b[1024];
	struct dirent *e;
	DIR *d = opendir(from);

	assert(d != NULL);
	(void)mkdir(to, 0700);
	while ((e = readdir(d)) != NULL) {
		if (!is_copied(e->d_name, base))
			continue;
		(void)snprintf(a, sizeof(a), "%s/%s", from, e->d_name);
		(void)snprintf(b, sizeof(b), "%s/%s", to, e->d_name);
		copy_file(a, b);
	}
	(void)closedir(d);
}

void
sim_remove_files(const char *dir, const char *base)
{
	char a[1024];
	struct dirent *e;
	DIR *d = opendir(dir);

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || strncmp(e->d_name, base, strlen(base)) != 0)
			continue;
		(void)snprintf(a, sizeof(a), "%s/%s", dir, e->d_name);
		(void)unlink(a);
	}
	if (d != NULL)
		(void)closedir(d);
}

static void
remove_tree(const char *dir)
{
	char a[1024];
	struct stat sb;
	struct dirent *e;
	DIR *d = opendir(dir);

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		(void)snprintf(a, sizeof(a), "%s/%s", dir, e->d_name);
		if (lstat(a, &sb) == 0 && S_ISDIR(sb.st_mode))
			remove_tree(a);
		else
			(void)unlink(a);
	}
	if (d != NULL)
		(void)closedir(d);
	(void)rmdir(dir);
}

/* ---- a run ---- */

static void
handle(struct sim *w, const struct sim_event *e)
{
	struct sim_machine *m = e->who < w->n_machines ? &w->machine[e->who] : NULL;
	const bool lives = m != NULL && m->life == e->life && !m->frozen;

	switch (e->kind) {
	case SIM_TICK:
		if (lives && m->running)
			machine_tick(m);
		break;
	case SIM_TURN:
		if (lives && m->running && e->at == m->turn_at)
			machine_turn(m);
		break;
	case SIM_DEADLINE:
		if (lives && m->running && e->at == m->deadline_at)
			machine_deadline(m);
		break;
	case SIM_CONNECT:
		if (lives && m->running)
			broker_connect(m);
		break;
	case SIM_START:
		if (lives && !m->running && !m->gone)
			machine_start(m);
		break;
	case SIM_WIRE:
		broker_wire(w, e->data);
		break;
	case SIM_CENTRE_TURN:
		if (w->centre.running && w->centre.life == e->life && e->at == w->centre.turn_at)
			centre_turn(w);
		break;
	case SIM_CENTRE_START:
		if (!w->centre.running && w->centre.life == e->life)
			centre_start(w);
		break;
	case SIM_BROKER_START:
		if (!w->broker.up && w->broker.life == e->life)
			broker_start(w);
		break;
	case SIM_CHAOS:
		chaos_happen(w, e->data);
		break;
	case SIM_UP:
		if (lives && m->running)
			broker_greeted(m);
		break;
	case SIM_LOOK:
		if (lives && m->running)
			machine_looks(m);
		break;
	case SIM_CROWD_CONNECT:
		crowd_connect(w, e->who);
		break;
	case SIM_CROWD_UP:
		crowd_up(w, e->who, e->life);
		break;
	}
}

/* Until `until`, or until nothing happens any more, or the simulation fails. */
static void
go_on(struct sim *w, int64_t until)
{
	struct sim_event e;
	unsigned same = 0;

	while (w->fail[0] == '\0' && w->n_heap > 0 && w->heap[0].at <= until) {
		(void)sim_next(w, &e);
		same = e.at == w->now ? same + 1 : 0;
		w->now = e.at;
		if (same > SPINS)
			sim_fail(w, "somebody spins: event %d of %u", (int)e.kind, e.who);
		handle(w, &e);
	}
	if (w->now < until)
		w->now = until;
}

/* Who has not come to rest, and with what. */
static void
say_restless(struct sim *w)
{
	struct uplink_status st = { 0 };

	for (unsigned i = 0; i < w->n_machines; i++) {
		struct sim_machine *m = &w->machine[i];

		if (m->gone || machine_quiet(m))
			continue;
		if (m->delivery != NULL)
			delivery_status(m->delivery, &st);
		for (unsigned k = 0; k < BL_STREAMS; k++)
			sim_trace(w,
			    "restless: machine %u up %d %s stream %u waiting %llu open %llu", i,
			    (int)m->up, uplink_state_name(st.state), k + 1,
			    (unsigned long long)m->status.spool.stream[k].waiting_batches,
			    (unsigned long long)m->status.spool.stream[k].open_samples);
		sim_fail(w, "it does not come to rest in %lld h: machine %u, %s",
		    (long long)(SETTLE_MS / SIM_HOUR), i,
		    m->up ? uplink_state_name(st.state) : "without a link");
	}
	sim_fail(
	    w, "it does not come to rest in %lld h: the centre", (long long)(SETTLE_MS / SIM_HOUR));
}

static bool
all_quiet(struct sim *w)
{
	if (!w->centre.running || store_placing(w->centre.store))
		return false;
	for (unsigned i = 0; i < w->n_machines; i++)
		if (!w->machine[i].gone && !machine_quiet(&w->machine[i]))
			return false;
	return true;
}

/* All trouble over: everything must come to rest. */
static void
settle(struct sim *w)
{
	unsigned quiet = 0;

	w->settling = true;
	chaos_heal(w);
	while (w->fail[0] == '\0' && quiet < QUIET_TIMES && w->now < w->end + SETTLE_MS) {
		go_on(w, w->now + LOOK_MS);
		quiet = all_quiet(w) ? quiet + 1 : 0;
	}
	if (quiet < QUIET_TIMES)
		say_restless(w);
}

static int64_t
true_ms(void *ctx)
{
	return ((struct sim *)ctx)->now;
}

static bool
always(void *ctx)
{
	(void)ctx;
	return true;
}

static void
forget(struct sim *w)
{
	struct sim_event e;

	while (sim_next(w, &e))
		free(e.data);
	free(w->heap);
	for (unsigned i = 0; i < w->n_machines; i++)
		machine_free(&w->machine[i]);
	if (w->centre.running)
		centre_stop(w);
	broker_free(w);
	free(w->sent);
	free(w->piece);
	free(w->crowd);
	remove_tree(w->folder);
}

void
sim_run(uint64_t seed, const struct sim_scenario *sc, unsigned machines, int64_t length_ms,
    const char *folder, bool verbose, struct sim_result *out)
{
	struct sim *w = calloc(1, sizeof(*w));
	char device[24];

	assert(w != NULL);
	memset(out, 0, sizeof(*out));
	w->seed = seed;
	w->rng = seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
	w->now = w->begin = BEGIN_UNIX_MS;
	w->end = w->begin + length_ms;
	w->verbose = verbose;
	w->trace = UINT64_C(14695981039346656037);
	w->clock = (struct bl_clock){ w, true_ms, true_ms, true_ms, sim_clock_random, always };
	(void)snprintf(
	    w->folder, sizeof(w->folder), "%s/seed-%llu", folder, (unsigned long long)seed);
	remove_tree(w->folder);
	if (mkdir(w->folder, 0700) < 0)
		sim_fail(w, "cannot make %s", w->folder);
	shim_vfs_install(sim_random(w));
	w->sc = sc != NULL ? *sc : sim_scenario_mix(w);
	if (w->sc.max_bytes == 0)
		w->sc.max_bytes = 16 << 20;
	if (w->sc.keep_receipted_ms == 0)
		w->sc.keep_receipted_ms = 3 * SIM_DAY;
	centre_make(w);
	broker_start(w);
	centre_start(w);
	for (unsigned i = 0; i < machines; i++) {
		(void)snprintf(device, sizeof(device), "dev-%u", i);
		machine_make(w, device, NULL);
	}
	if (w->sc.crowd > 0)
		crowd_make(w);
	chaos_plan(w);
	go_on(w, w->end);
	settle(w);
	oracle_judge(w, out);
	measure_judge(w, out);
	(void)snprintf(out->why, sizeof(out->why), "%s", w->fail);
	out->trace = w->trace;
	out->agent_days = (double)machines * (double)length_ms / (double)SIM_DAY;
	forget(w);
	free(w);
}
