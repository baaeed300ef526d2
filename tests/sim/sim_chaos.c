/*
 * What goes wrong: planned at the begin of a run from the scenario's numbers, at
 * times and to machines by chance.
 */
#include "sim.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct chaos {
	enum sim_act what;
	unsigned machine;
	unsigned copy; /* number of a snapshot */
	unsigned other;
	int64_t at; /* of the copy */
};

static int64_t
within(struct sim *w)
{
	const int64_t length = w->end - w->begin;

	return w->begin + sim_between(w, length / 50, length - length / 50);
}

static struct chaos *
plan(struct sim *w, int64_t at, enum sim_act what, unsigned machine)
{
	struct chaos *c = calloc(1, sizeof(*c));

	assert(c != NULL);
	c->what = what;
	c->machine = machine;
	sim_at(w, at, SIM_CHAOS, 0, 0, c);
	return c;
}

/* Two times of a run, the first before the second: a copy is made, a copy is put back. */
static void
plan_copy(struct sim *w, enum sim_act copy, enum sim_act back, unsigned machine)
{
	int64_t a = within(w), b = within(w);
	struct chaos *c;

	if (a > b) {
		const int64_t t = a;

		a = b;
		b = t;
	}
	if (back == ACT_BACK && w->sc.back_ms != 0)
		b = a + sim_between(w, SIM_SECOND, w->sc.back_ms);
	c = plan(w, a, copy, machine);
	c->copy = ++w->snapshots;
	c = plan(w, b + SIM_SECOND, back, machine);
	c->copy = w->snapshots;
	c->at = a;
}

static void
plan_some(struct sim *w, unsigned times, enum sim_act what, unsigned machine)
{
	while (times-- > 0)
		(void)plan(w, within(w), what, machine);
}

static void
plan_machine(struct sim *w, unsigned i)
{
	const struct sim_scenario *sc = &w->sc;

	plan_some(w, sc->drops, ACT_DROP, i);
	plan_some(w, sc->outages, ACT_OUTAGE, i);
	plan_some(w, sc->kills, ACT_KILL, i);
	plan_some(w, sc->cuts, ACT_CUT, i);
	plan_some(w, sc->restarts, ACT_RESTART, i);
	plan_some(w, sc->faults, ACT_FAULT, i);
	for (unsigned k = 0; k < sc->back; k++)
		plan_copy(w, ACT_COPY, ACT_BACK, i);
	for (unsigned k = 0; k < sc->resumed; k++)
		plan_copy(w, ACT_FREEZE, ACT_RESUME, i);
	plan_some(w, sc->lost, ACT_LOST, i);
	plan_some(w, sc->damaged, ACT_DAMAGE, i);
	plan_some(w, sc->renames, ACT_RENAME, i);
	plan_some(w, sc->steps, ACT_STEP, i);
	plan_some(w, sc->suspends, ACT_SUSPEND, i);
	plan_some(w, sc->pauses, ACT_PAUSE, i);
	plan_some(w, sc->years, ACT_YEARS, i);
	if (sc->offline_ms != 0)
		(void)plan(w, w->begin + SIM_OFFLINE_AT, ACT_OFFLINE, i);
}

void
chaos_plan(struct sim *w)
{
	const struct sim_scenario *sc = &w->sc;

	for (unsigned i = 0; i < w->n_machines; i++)
		plan_machine(w, i);
	plan_some(w, sc->broker_deaths, ACT_BROKER_DEATH, 0);
	for (unsigned k = 1; k <= sc->herds; k++)
		(void)plan(
		    w, w->begin + (w->end - w->begin) * k / (sc->herds + 1), ACT_BROKER_DEATH, 0);
	plan_some(w, sc->centre_stops, ACT_CENTRE_STOP, 0);
	plan_some(w, sc->centre_kills, ACT_CENTRE_KILL, 0);
	plan_some(w, sc->centre_cuts, ACT_CENTRE_CUT, 0);
	plan_some(w, sc->store_lost, ACT_STORE_LOST, 0);
	for (unsigned k = 0; k < sc->store_back; k++)
		plan_copy(w, ACT_STORE_COPY, ACT_STORE_BACK, 0);
	for (unsigned k = 0; k < sc->clones; k++)
		plan_some(w, 1, ACT_CLONE, (unsigned)sim_below(w, w->n_machines));
	if (sc->centre_kills > 0) {
		w->centre.die_before_commit = 4;
		w->centre.die_after_commit = 4;
	}
}

/* ---- a machine ---- */

static int64_t
some_time(struct sim *w, int64_t most)
{
	return sim_chance(w, 500) ? sim_between(w, 500, most / 20) : sim_between(w, 500, most);
}

static void
start_later(struct sim_machine *m, int64_t in_ms)
{
	sim_at(m->w, m->w->now + in_ms, SIM_START, m->no, m->life, NULL);
}

static void
kill_machine(struct sim_machine *m)
{
	struct sim *w = m->w;
	const enum shim_loss how = (enum shim_loss)sim_below(w, SHIM_LOSSES);

	w->acts[ACT_KILL]++;
	machine_kill(m, how);
	if (how != SHIM_LOSE_NONE || sim_chance(w, 300))
		machine_boot(m);
	start_later(m, some_time(w, 2 * SIM_HOUR));
}

/* The power of a machine or of the centre goes at an operation of its disk to come. */
static void
arm(struct sim *w, unsigned who, const char *dir)
{
	struct shim_plan p = { .below = dir };

	/* A statement each: compilers differ in what they call first within one. */
	p.kind = sim_chance(w, 250) ? SHIM_TEAR : SHIM_CUT;
	p.at_op = sim_chance(w, 500) ? 12 : 120;
	p.at_op = 1 + sim_below(w, p.at_op);

	if (w->armed != 0 || w->disk_well_at > w->now)
		return;
	w->armed = who;
	w->armed_loss = (enum shim_loss)sim_below(w, SHIM_LOSSES);
	shim_plan(&p);
}

/* Its disk is full or fails for a while. */
static void
fail_disk(struct sim_machine *m)
{
	static const enum shim_fault kinds[] = { SHIM_ENOSPC, SHIM_EIO, SHIM_SYNC_EIO };
	struct sim *w = m->w;
	struct shim_plan p = { .below = m->dir };

	p.kind = kinds[sim_below(w, 3)];
	p.at_op = 1 + sim_below(w, 6);
	p.count = sim_chance(w, 500) ? 1 + sim_below(w, 3) : 1000000;

	if (w->armed != 0 || w->disk_well_at > w->now)
		return;
	w->acts[ACT_FAULT]++;
	sim_trace(w, "machine %u: disk fails, %s", m->no, shim_fault_name(p.kind));
	w->disk_well_at = w->now + some_time(w, SIM_HOUR);
	shim_plan(&p);
	(void)plan(w, w->disk_well_at, ACT_FAULT, UINT32_MAX); /* its end */
}

static void
copy_name(const struct sim *w, const struct chaos *c, char out[SIM_PATH_MAX])
{
	(void)snprintf(out, SIM_PATH_MAX, "%s/copy-%u", w->folder, c->copy);
}

static void
copy_spool(struct sim_machine *m, const struct chaos *c)
{
	char to[SIM_PATH_MAX];

	copy_name(m->w, c, to);
	sim_copy_files(m->dir, to, "spool.db");
	m->w->acts[ACT_COPY]++;
}

static void
put_back(struct sim_machine *m, const struct chaos *c)
{
	struct sim *w = m->w;
	char from[SIM_PATH_MAX];

	copy_name(w, c, from);
	if (!m->running || access(from, F_OK) != 0)
		return;
	machine_kill(m, SHIM_LOSE_NONE);
	w->acts[ACT_BACK]++;
	m->backs++;
	sim_trace(w, "machine %u: a copy of %lld s ago is put back", m->no,
	    (long long)(w->now - c->at) / 1000);
	sim_remove_files(m->dir, "spool.db");
	sim_copy_files(from, m->dir, "spool.db");
	m->damaged_at = 0;
	if (m->first_damaged_at != 0 && m->first_damaged_at <= c->at) {
		/* The copy may be one of a damaged file. */
		m->damaged_at = m->first_damaged_at;
		sim_erase(w, m->no, w->begin, w->now);
	} else {
		oracle_exposed(w, from);
	}
	sim_erase(w, m->no, c->at, w->now);
	if (sim_chance(w, 500))
		machine_boot(m);
	start_later(m, w->sc.back_ms != 0 ? sim_between(w, 500, 20000) : some_time(w, SIM_HOUR));
}

/* Another machine with this one's identity and a copy of its disk as it is. */
static void
live_copy(struct sim_machine *m)
{
	struct sim *w = m->w;

	oracle_copied(w, m->dir);
	machine_make(w, m->device, m->dir);
}

/*
 * A live snapshot: this machine stands still, and another one with a copy of its
 * disk lives its life, until that one is thrown away and this one goes on as if no time had passed.
 */
static void
freeze(struct sim_machine *m, const struct chaos *c)
{
	struct sim *w = m->w;
	const unsigned twin = w->n_machines;

	if (!m->running || m->frozen || w->armed == m->no + 1 || twin == SIM_MACHINES_MAX)
		return;
	w->acts[ACT_FREEZE]++;
	sim_trace(w, "machine %u: snapshot, %u goes on", m->no, twin);
	m->frozen = true;
	m->was_up = m->up;
	m->up = false;
	m->frozen_by = c->copy;
	m->twin = twin;
	live_copy(m);
}

/* From a sleep, in which boot time went on, or from a pause, in which nothing did. */
static void
wake(struct sim_machine *m)
{
	struct sim *w = m->w;
	const bool paused = m->paused_at_ms >= 0;

	if (w->n_naps < SIM_NAPS_MAX)
		w->nap[w->n_naps++] = (struct sim_nap){ m->no, m->frozen_at, w->now, paused };
	if (!paused) {
		m->slept_ms += w->now - m->frozen_at;
	} else {
		machine_stood_still(m, m->paused_at_ms);
		if (m->synced) /* NTP finds it out, by and by */
			m->wall_set_at = w->now + sim_between(w, 10 * SIM_SECOND, 17 * SIM_MINUTE);
	}
	if (w->sc.looks)
		sim_at(w, w->now, SIM_LOOK, m->no, m->life, NULL);
}

static void
thaw(struct sim_machine *m)
{
	struct sim *w = m->w;

	m->frozen = false;
	if (m->frozen_by == 0)
		wake(m);
	m->up = m->was_up;
	m->deadline_at = m->turn_at = -1;
	sim_at(w, w->now + 10, SIM_TICK, m->no, m->life, NULL);
	if (m->up)
		broker_disconnect(m, sim_between(w, SIM_SECOND, SIM_MINUTE));
	else
		sim_at(w, w->now + SIM_SECOND, SIM_CONNECT, m->no, m->life, NULL);
	machine_after(m);
}

static void
resume(struct sim_machine *m, const struct chaos *c)
{
	struct sim *w = m->w;
	struct sim_machine *twin = &w->machine[m->twin];

	if (!m->frozen || m->frozen_by != c->copy)
		return;
	machine_kill(twin, SHIM_LOSE_NONE);
	twin->gone = true;
	sim_erase(w, twin->no, c->at, w->now);
	w->acts[ACT_RESUME]++;
	sim_trace(w, "machine %u: goes on from its snapshot", m->no);
	thaw(m);
}

/*
 * What its file holds without a receipt may be gone from here on. When it is damaged already,
 * what it held cannot be told any more.
 */
static void
expose(struct sim_machine *m)
{
	if (m->damaged_at != 0)
		sim_erase(m->w, m->no, m->damaged_at, m->w->now);
	else
		oracle_exposed(m->w, m->dir);
}

static void
lose_spool(struct sim_machine *m)
{
	struct sim *w = m->w;

	if (!m->running)
		return;
	machine_kill(m, SHIM_LOSE_NONE);
	w->acts[ACT_LOST]++;
	sim_trace(w, "machine %u: its spool is deleted", m->no);
	expose(m);
	(void)unlink(m->path);
	sim_remove_files(m->dir, "spool.db-wal");
	m->damaged_at = 0;
	m->deleted = true;
	start_later(m, some_time(w, SIM_HOUR));
}

/* Some bytes of some pages, of the file that is in use or of one at rest. */
static void
damage(struct sim_machine *m)
{
	struct sim *w = m->w;
	uint8_t junk[700];
	struct stat sb;
	int fd;

	if (!m->running || stat(m->path, &sb) < 0 || sb.st_size < 8192)
		return;
	w->acts[ACT_DAMAGE]++;
	sim_trace(w, "machine %u: its spool is damaged", m->no);
	sim_clock_random(w, junk, sizeof(junk));
	if (sim_chance(w, 500)) {
		machine_kill(m, SHIM_LOSE_NONE);
		start_later(m, some_time(w, SIM_HOUR));
	}
	expose(m);
	fd = open(m->path, O_WRONLY | O_CLOEXEC);
	for (unsigned n = 1 + (unsigned)sim_below(w, 3); fd >= 0 && n > 0; n--) {
		const off_t at =
		    sim_chance(w, 200) ? 0 : (off_t)sim_below(w, (uint64_t)sb.st_size - 700);

		if (pwrite(fd, junk, sizeof(junk), at) < 0)
			abort();
	}
	(void)close(fd);
	if (m->damaged_at == 0)
		m->damaged_at = w->now;
	if (m->first_damaged_at == 0)
		m->first_damaged_at = w->now;
}

static void
clone(struct sim_machine *m)
{
	struct sim *w = m->w;

	if (!m->running || m->frozen || w->n_machines == SIM_MACHINES_MAX)
		return;
	w->acts[ACT_CLONE]++;
	sim_trace(w, "machine %u: cloned as %u", m->no, w->n_machines);
	live_copy(m);
	w->machine[w->n_machines - 1].clone = true;
}

static void
rename_device(struct sim_machine *m)
{
	struct sim *w = m->w;

	if (!m->running)
		return;
	machine_stop(m);
	(void)snprintf(m->device, sizeof(m->device), "dev-%u-%u", m->no, ++w->snapshots);
	w->acts[ACT_RENAME]++;
	sim_trace(w, "machine %u: is %s now", m->no, m->device);
	start_later(m, some_time(w, SIM_HOUR));
}

static void
step_clock(struct sim_machine *m)
{
	struct sim *w = m->w;
	static const int64_t by[] = { 400, 3600000, INT64_C(20) * 365 * SIM_DAY, 1000 };
	const int64_t ms = by[sim_below(w, 4)];

	w->acts[ACT_STEP]++;
	m->wall_off += sim_chance(w, 500) ? ms : -ms;
	m->synced = false;
	m->wall_set_at = sim_chance(w, 700) ? w->now + some_time(w, 3 * SIM_HOUR) : INT64_MAX;
	sim_trace(w, "machine %u: wall clock is off by %lld ms", m->no, (long long)m->wall_off);
}

/* The wall clock of a machine whose battery is empty, or whose user sets it wrongly. */
static void
years_off(struct sim_machine *m)
{
	struct sim *w = m->w;
	const uint64_t how = sim_below(w, 5);

	w->acts[ACT_YEARS]++;
	m->synced = false;
	m->wall_set_at = sim_chance(w, 600) ? w->now + some_time(w, 3 * SIM_HOUR) : INT64_MAX;
	if (how == 0)
		machine_wall_mode(m, WALL_FROZEN);
	else if (how == 1)
		machine_wall_mode(m, WALL_DOUBLE);
	else if (how == 2)
		m->wall_off = 5000 - w->now; /* 1970 */
	else
		m->wall_off += (how == 3 ? 20 : -20) * 365 * SIM_DAY;
	sim_trace(w, "machine %u: wall clock shows %lld", m->no, (long long)machine_wall_ms(m));
}

static void
suspend(struct sim_machine *m, enum sim_act how)
{
	struct sim *w = m->w;

	if (!m->running || m->frozen || w->armed == m->no + 1)
		return;
	m->frozen = true;
	m->was_up = m->up;
	m->up = false;
	m->frozen_by = 0;
	m->frozen_at = w->now;
	m->paused_at_ms = how == ACT_PAUSE ? machine_boot_ms(m) : -1;
	w->acts[how]++;
	(void)plan(w,
	    w->now + some_time(w, w->sc.suspend_ms != 0 ? w->sc.suspend_ms : 3 * SIM_HOUR), how,
	    m->no);
}

/* ---- the centre ---- */

static void
store_put_back(struct sim *w, const struct chaos *c)
{
	char from[SIM_PATH_MAX];

	copy_name(w, c, from);
	if (!w->centre.running || access(from, F_OK) != 0)
		return;
	centre_kill(w, SHIM_LOSE_NONE, some_time(w, w->sc.centre_out_ms));
	w->acts[ACT_STORE_BACK]++;
	sim_trace(w, "centre: a copy of its store of %lld s ago is put back",
	    (long long)(w->now - c->at) / 1000);
	oracle_store_goes(w);
	/* With its mark (a snapshot of the machine), or the database alone (a backup). */
	sim_remove_files(w->centre.dir, sim_chance(w, 500) ? "telemetry.db" : "telemetry.db-");
	sim_copy_files(from, w->centre.dir, "telemetry.db");
}

static void
store_copy(struct sim *w, const struct chaos *c)
{
	char to[SIM_PATH_MAX], mark[SIM_PATH_MAX + 32];

	if (!w->centre.running)
		return;
	copy_name(w, c, to);
	sim_copy_files(w->centre.dir, to, "telemetry.db");
	w->acts[ACT_STORE_COPY]++;
	(void)snprintf(mark, sizeof(mark), "%s/telemetry.db.mark", to);
	if (sim_chance(w, 500))
		(void)unlink(mark);
}

static void
store_lose(struct sim *w)
{
	if (!w->centre.running)
		return;
	centre_kill(w, SHIM_LOSE_NONE, some_time(w, w->sc.centre_out_ms));
	w->acts[ACT_STORE_LOST]++;
	sim_trace(w, "centre: its store is deleted");
	oracle_store_goes(w);
	sim_remove_files(w->centre.dir, "telemetry.db");
}

static void
centre_happens(struct sim *w, const struct chaos *c)
{
	int64_t out_ms;

	switch (c->what) {
	case ACT_BROKER_DEATH:
		w->acts[c->what] += w->broker.up;
		broker_die(w, some_time(w, w->sc.centre_out_ms));
		break;
	case ACT_CENTRE_STOP:
		if (w->centre.running) {
			w->acts[c->what]++;
			centre_stop(w);
			sim_at(w, w->now + some_time(w, w->sc.centre_out_ms), SIM_CENTRE_START, 0,
			    w->centre.life, NULL);
		}
		break;
	case ACT_CENTRE_KILL:
		w->acts[c->what] += w->centre.running;
		out_ms = some_time(w, w->sc.centre_out_ms);
		centre_kill(w, (enum shim_loss)sim_below(w, SHIM_LOSSES), out_ms);
		break;
	case ACT_CENTRE_CUT:
		if (w->centre.running)
			arm(w, SIM_ARMED_CENTRE, w->centre.dir);
		break;
	case ACT_STORE_COPY:
		store_copy(w, c);
		break;
	case ACT_STORE_BACK:
		store_put_back(w, c);
		break;
	case ACT_STORE_LOST:
		store_lose(w);
		break;
	default:
		break;
	}
}

/* It cannot happen now. */
static void
plan_some_later(struct sim *w, const struct chaos *c)
{
	(void)plan(w, w->now + sim_between(w, SIM_MINUTE, SIM_HOUR), c->what, c->machine);
}

static void
machine_happens(struct sim_machine *m, const struct chaos *c)
{
	struct sim *w = m->w;

	if (m->gone ||
	    (m->frozen && c->what != ACT_RESUME && c->what != ACT_SUSPEND && c->what != ACT_PAUSE))
		return;
	switch (c->what) {
	case ACT_DROP:
		if (!m->up && w->end - w->now > SIM_HOUR)
			plan_some_later(w, c);
		w->acts[c->what] += m->up;
		broker_disconnect(m, sim_between(w, 500, 2 * SIM_MINUTE));
		break;
	case ACT_OUTAGE:
		w->acts[c->what] += m->up;
		m->out_until = w->now + some_time(w, w->sc.outage_ms);
		broker_disconnect(m, SIM_SECOND);
		break;
	case ACT_KILL:
		if (m->running)
			kill_machine(m);
		break;
	case ACT_CUT:
		if (m->running)
			arm(w, m->no + 1, m->dir);
		break;
	case ACT_RESTART:
		if (m->running) {
			w->acts[c->what]++;
			machine_stop(m);
			start_later(m, some_time(w, SIM_HOUR));
		}
		break;
	case ACT_FAULT:
		if (m->running)
			fail_disk(m);
		break;
	case ACT_COPY:
		copy_spool(m, c);
		break;
	case ACT_BACK:
		put_back(m, c);
		break;
	case ACT_FREEZE:
		freeze(m, c);
		break;
	case ACT_RESUME:
		resume(m, c);
		break;
	case ACT_LOST:
		lose_spool(m);
		break;
	case ACT_DAMAGE:
		damage(m);
		break;
	case ACT_CLONE:
		clone(m);
		break;
	case ACT_RENAME:
		rename_device(m);
		break;
	case ACT_STEP:
		step_clock(m);
		break;
	case ACT_SUSPEND:
	case ACT_PAUSE:
		if (m->frozen && m->frozen_by == 0)
			thaw(m);
		else
			suspend(m, c->what);
		break;
	case ACT_OFFLINE:
		w->acts[c->what] += m->up;
		m->out_until = w->now + w->sc.offline_ms;
		broker_disconnect(m, SIM_SECOND);
		break;
	case ACT_YEARS:
		years_off(m);
		break;
	default:
		centre_happens(w, c);
		break;
	}
}

static void
disk_is_well(struct sim *w)
{
	if (w->armed == 0)
		shim_plan(NULL);
	w->disk_well_at = w->now;
}

void
chaos_happen(struct sim *w, void *data)
{
	struct chaos *c = data;

	if (c->what == ACT_FAULT && c->machine == UINT32_MAX)
		disk_is_well(w);
	else if (w->settling && !((c->what == ACT_SUSPEND || c->what == ACT_PAUSE) &&
				    w->machine[c->machine].frozen))
		; /* too late */
	else if (c->what >= ACT_BROKER_DEATH && c->what <= ACT_STORE_LOST)
		centre_happens(w, c);
	else
		machine_happens(&w->machine[c->machine], c);
	free(c);
}

void
chaos_heal(struct sim *w)
{
	sim_trace(w, "all trouble is over");
	w->armed = 0;
	shim_plan(NULL);
	w->disk_well_at = w->now;
	for (unsigned i = 0; i < w->n_machines; i++) {
		struct sim_machine *m = &w->machine[i];

		if (m->clone && m->frozen)
			thaw(m);
		m->out_until = w->now;
		if (m->clone &&
		    m->running) { /* somebody saw the conflict, and stops one of the two */
			machine_stop(m);
			m->gone = m->set_apart = true;
			continue;
		}
		if (m->frozen) {
			struct chaos c = { .copy = m->frozen_by, .at = w->begin };

			if (m->frozen_by == 0)
				thaw(m);
			else
				resume(m, &c);
		}
		if (m->wall_set_at != INT64_MAX)
			m->wall_set_at = w->now;
	}
}
