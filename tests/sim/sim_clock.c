/*
 * The clocks of a machine: boot time, which drifts and stands still while the machine is
 * paused by its host, and wall time, which is what boot time and somebody's setting make of it.
 *
 * Boot time is true time piece by piece.  Who samples takes the true time of the boot time it
 * read (whole milliseconds), so that going back and forth is exact.
 */
#include "sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MILLION INT64_C(1000000)
#define LOOK_MS 5000 /* agent_clock.c */

/* ---- boot time ---- */

int64_t
machine_boot_ms(const struct sim_machine *m)
{
	const struct sim_piece *p = &m->w->piece[m->piece];

	return p->boot_ms + (m->w->now - p->at) * (MILLION + p->ppm) / MILLION;
}

/* The first true time at which the boot clock shows it. */
static int64_t
piece_true(const struct sim_piece *p, int64_t boot_ms)
{
	const int64_t rate = MILLION + p->ppm, d = boot_ms - p->boot_ms;

	return d <= 0 ? p->at + d : p->at + (d * MILLION + rate - 1) / rate;
}

static void
begin_piece(struct sim_machine *m, int64_t boot_ms, int ppm)
{
	struct sim *w = m->w;

	if (w->n_pieces == w->size_pieces) {
		w->size_pieces = w->size_pieces * 2 + 64;
		w->piece = realloc(w->piece, w->size_pieces * sizeof(*w->piece));
		assert(w->piece != NULL);
	}
	m->piece = w->n_pieces++;
	w->piece[m->piece] =
	    (struct sim_piece){ .boot = m->boot, .boot_ms = boot_ms, .at = w->now, .ppm = ppm };
}

void
machine_drift(struct sim_machine *m, int ppm)
{
	/* The next millisecond: what was read in this one belongs to the piece before. */
	begin_piece(m, machine_boot_ms(m) + 1, ppm);
	sim_trace(m->w, "machine %u: its clocks drift by %d ppm", m->no, ppm);
}

void
machine_stood_still(struct sim_machine *m, int64_t boot_ms)
{
	begin_piece(m, boot_ms + 1, m->w->piece[m->piece].ppm);
}

int64_t
machine_true_at(const struct sim_machine *m, int64_t boot_ms)
{
	return piece_true(&m->w->piece[m->piece], boot_ms);
}

int64_t
machine_true_time(const struct sim *w, const struct bl_id *boot, int64_t ms, unsigned *machine)
{
	const struct sim_piece *first = NULL;

	for (unsigned i = 0; i < w->n_boots && machine != NULL; i++)
		if (bl_id_equal(&w->boot[i].id, boot))
			*machine = w->boot[i].machine;
	for (size_t i = w->n_pieces; i-- > 0;) {
		const struct sim_piece *p = &w->piece[i];

		if (!bl_id_equal(&p->boot, boot))
			continue;
		if (p->boot_ms <= ms)
			return piece_true(p, ms);
		first = p;
	}
	return first != NULL ? piece_true(first, ms) : INT64_MIN;
}

/* ---- wall time ---- */

int64_t
machine_wall_ms(const struct sim_machine *m)
{
	const int64_t ms = machine_boot_ms(m) + m->boot_at + m->wall_off;

	switch (m->wall) {
	case WALL_FROZEN:
		return m->wall_from;
	case WALL_DOUBLE:
		return ms + (ms - m->wall_from);
	case WALL_RUNS:
		break;
	}
	return ms;
}

void
machine_wall_mode(struct sim_machine *m, enum sim_wall mode)
{
	m->wall_from = machine_wall_ms(m);
	m->wall = mode;
}

/* By NTP, to the millisecond; no drift from here on. */
static void
set_right(struct sim_machine *m)
{
	m->wall_set_at = INT64_MAX;
	m->wall = WALL_RUNS;
	if (m->w->piece[m->piece].ppm != 0)
		machine_drift(m, 0);
	m->wall_off = m->w->now - machine_boot_ms(m) - m->boot_at;
	m->synced = true;
}

/* ---- the clock map, as in agent_clock.c ---- */

static struct clockmap_now
read_clocks(const struct sim_machine *m)
{
	const int64_t boot_ms = machine_boot_ms(m);

	return (
	    struct clockmap_now){ boot_ms, boot_ms - m->slept_ms, machine_wall_ms(m), m->synced };
}

static void
take_segments(struct sim_machine *m, const struct clockmap_result *r)
{
	for (unsigned i = 0; i < r->n_segments; i++)
		(void)spool_thread_clock(m->spool, &r->segment[i]);
}

/* What is sampled now may be placed at the centre before the next word on the time. */
static bool
delivers(const struct sim_machine *m)
{
	struct uplink_status st;

	delivery_status(m->delivery, &st);
	return st.state == UPLINK_READY && st.last_receipt_mono_ms >= 0 &&
	       machine_boot_ms(m) - st.last_receipt_mono_ms < 10 * SIM_MINUTE;
}

void
machine_look_at_clock(struct sim_machine *m)
{
	const struct clockmap_now now = read_clocks(m);
	struct clockmap_result r;

	if (m->wall_set_at <= m->w->now)
		set_right(m); /* the next look sees it */
	clockmap_look(&m->map, &now, &r);
	if (delivers(m))
		clockmap_contact(&m->map, now.boot_ms);
	take_segments(m, &r);
}

void
machine_looks(struct sim_machine *m)
{
	machine_look_at_clock(m);
	sim_at(m->w, m->w->now + LOOK_MS, SIM_LOOK, m->no, m->life, NULL);
	machine_after(m);
}

/* A process begins: what an earlier one of this boot has told holds on. */
void
machine_map_begins(struct sim_machine *m)
{
	struct bl_clock_segment told;

	clockmap_init(&m->map, &m->boot);
	if (spool_thread_clock_told(m->spool, &told))
		clockmap_resume(&m->map, &told, machine_boot_ms(m));
	if (m->w->sc.looks)
		sim_at(m->w, m->w->now, SIM_LOOK, m->no, m->life, NULL);
}

void
machine_map_link_down(struct sim_machine *m)
{
	clockmap_contact(&m->map, machine_boot_ms(m));
}

/* Another spool does not know it. */
void
machine_map_tell_again(struct sim_machine *m)
{
	if (m->map.told)
		(void)spool_thread_clock(m->spool, &m->map.newest);
}

void
machine_centre_time(struct sim_machine *m, int64_t server_unix_ms, int64_t rtt_ms)
{
	const struct clockmap_now now = read_clocks(m);
	struct clockmap_result r;

	clockmap_centre(&m->map, &now, server_unix_ms, rtt_ms, &r);
	clockmap_contact(&m->map, now.boot_ms);
	take_segments(m, &r);
}

/* ---- for the product ---- */

static int64_t
boot_ms(void *ctx)
{
	return machine_boot_ms(ctx);
}

static int64_t
unix_ms(void *ctx)
{
	return machine_wall_ms(ctx);
}

static bool
is_synced(void *ctx)
{
	return ((const struct sim_machine *)ctx)->synced;
}

static void
get_random(void *ctx, void *out, size_t len)
{
	sim_clock_random(((struct sim_machine *)ctx)->w, out, len);
}

void
machine_clock_make(struct sim_machine *m)
{
	m->clock = (struct bl_clock){ m, boot_ms, boot_ms, unix_ms, get_random, is_synced };
}

/* ---- a boot ---- */

/* What a machine without NTP does: its crystal is off, more or less. */
static void
drift_by_chance(struct sim_machine *m)
{
	const int most = (int)m->w->sc.drift_ppm;
	const int ppm = sim_chance(m->w, 400) ? most : (int)sim_between(m->w, 0, most);

	m->synced = false;
	machine_drift(m, sim_chance(m->w, 500) ? ppm : -ppm);
}

/*
 * Another boot: its id, its time and what its wall clock says.  It begins when the one before it
 * has ended, not earlier; the first has run for 5 s.
 */
void
machine_boot(struct sim_machine *m)
{
	struct sim *w = m->w;
	const int64_t ran_ms = m->booted ? 0 : 5000;

	m->boot = bl_id_random(&m->clock);
	m->boot_at = w->now - ran_ms;
	m->booted = true;
	m->wall_off = 0;
	m->wall = WALL_RUNS;
	m->slept_ms = 0;
	m->synced = sim_chance(w, 700);
	m->wall_set_at = INT64_MAX;
	begin_piece(m, ran_ms, 0);
	if (w->sc.clock_1970) {
		m->wall_off = 5000 - w->now;
		m->synced = false;
		if (sim_chance(w, 800))
			m->wall_set_at = w->now + sim_between(w, SIM_MINUTE, 3 * SIM_HOUR);
	}
	if (w->sc.drift_ppm != 0)
		drift_by_chance(m);
	if (w->n_boots == SIM_BOOTS_MAX)
		sim_fail(w, "too many boots for the record");
	else
		w->boot[w->n_boots++] = (struct sim_boot){ m->boot, m->no };
}
