/*
 * The interval in which the true offset lies, and the segments that say it.
 *
 * Doubles hold milliseconds since 1970 to 0.3 us, which is less than a crystal
 * strays in one look.
 */
#include <math.h>
#include <string.h>

#include "clockmap_internal.h"

/* How wrong a crystal that nobody disciplines may run, aging and temperature included. */
#define RATE_FREE 250e-6
/* ... how far it strays, within days, from the rate that was measured or set by NTP ... */
#define RATE_STRAY 20e-6
/* ... and how exact a rate must be known to be of use. */
#define RATE_EXACT 10e-6
/* The kernel calls a clock unsynchronised when its bound, 500 ppm a second, has passed 16 s. */
#define LOST_BEFORE_MS 32000000
/* The clock that a machine sleeps by counts seconds. */
#define SUSPEND_DOUBT_MS 1000
#define SUSPEND_MIN_MS   2000

/* A stated uncertainty has this much room at least, so that noise makes no segments. */
#define ROOM_MS 50
/* A silence this long is worth correcting. */
#define SILENCE_MS 600000
#define POINTS_MAX 24u

#define BUDGET_MAX  1024.0
#define BUDGET_HOUR 1.0 /* 65,536 segments last for seven years */

void
clockmap_fit_advance(struct clockmap *m, const struct clockmap_now *now)
{
	const int64_t dt = now->boot_ms - m->at_boot_ms;
	const int64_t slept = dt - (now->mono_ms - m->at_mono_ms);

	if (m->known && dt > 0) {
		m->lo_ms += m->rate_lo * (double)dt;
		m->hi_ms += m->rate_hi * (double)dt;
		if (slept > SUSPEND_MIN_MS) {
			m->lo_ms -= SUSPEND_DOUBT_MS;
			m->hi_ms += SUSPEND_DOUBT_MS;
		}
	}
	m->at_boot_ms = now->boot_ms;
	m->at_mono_ms = now->mono_ms;
}

static void
rates(struct clockmap *m, double middle, double stray)
{
	m->rate_lo = middle - stray;
	m->rate_hi = middle + stray;
}

void
clockmap_fit_lost(struct clockmap *m)
{
	m->lo_ms -= RATE_STRAY * LOST_BEFORE_MS;
	m->hi_ms += RATE_STRAY * LOST_BEFORE_MS;
}

/* ---- segments ---- */

static bool
budget_left(struct clockmap *m, int64_t boot_ms)
{
	if (!m->told) {
		m->budget = BUDGET_MAX;
		m->budget_boot_ms = boot_ms;
	}
	if (boot_ms > m->budget_boot_ms) {
		m->budget += (double)(boot_ms - m->budget_boot_ms) / 3600000 * BUDGET_HOUR;
		m->budget_boot_ms = boot_ms;
	}
	if (m->budget > BUDGET_MAX)
		m->budget = BUDGET_MAX;
	return m->budget >= 1;
}

static uint32_t
whole_ms(double doubt_ms)
{
	return doubt_ms < 4e9 ? (uint32_t)ceil(doubt_ms) : (uint32_t)4e9;
}

bool
clockmap_fit_emit(struct clockmap *m, struct clockmap_result *r, int64_t from_boot_ms,
    double offset_ms, double doubt_ms, enum bl_clock_source source)
{
	if (r->n_segments == CLOCKMAP_SEGMENTS || !budget_left(m, m->at_boot_ms))
		return false;
	m->budget -= 1;
	m->newest = (struct bl_clock_segment){ .boot = m->boot,
		.from_boot_ms = from_boot_ms,
		.offset_ms = (int64_t)floor(offset_ms + 0.5),
		.uncertainty_ms = whole_ms(doubt_ms + 0.5), /* the offset was rounded */
		.source = source };
	m->told = true;
	r->segment[r->n_segments++] = m->newest;
	return true;
}

static bool
holds(const struct bl_clock_segment *s, double lo_ms, double hi_ms)
{
	return lo_ms >= (double)s->offset_ms - s->uncertainty_ms &&
	       hi_ms <= (double)s->offset_ms + s->uncertainty_ms;
}

/* What a segment from now on says: more than what is known, so that it lasts an hour at least. */
static double
stated(const struct clockmap *m, double half_ms)
{
	const double room = ROOM_MS + fabs(m->rate_known ? m->rate : 0) * 3600000;

	return half_ms > room ? 2 * half_ms : half_ms + room;
}

static bool
tell_now(struct clockmap *m, int64_t boot_ms, struct clockmap_result *r)
{
	return clockmap_fit_emit(m, r, boot_ms, (m->lo_ms + m->hi_ms) / 2,
	    stated(m, (m->hi_ms - m->lo_ms) / 2), m->source);
}

void
clockmap_fit_tell(struct clockmap *m, int64_t boot_ms, struct clockmap_result *r)
{
	if (m->told && holds(&m->newest, m->lo_ms, m->hi_ms))
		return;
	/* The last one has to last: nobody could take it back. */
	if (m->n_grown == CLOCKMAP_GROWN - 1) {
		const double middle = (m->lo_ms + m->hi_ms) / 2;

		m->lo_ms = middle - 4e8;
		m->hi_ms = middle + 4e8;
	}
	if (m->n_grown < CLOCKMAP_GROWN && tell_now(m, boot_ms, r))
		m->grown[m->n_grown++] = boot_ms;
}

/* ---- what lies between two measures ---- */

/* Where the true offset was between the last measure and this one. */
struct between {
	int64_t from, to; /* boot time of the two */
	double a, b;      /* offsets */
	double da, db;    /* their doubts */
	bool drift;       /* a crystal can have done it; else it jumped */
	bool jump_known;  /* at this time: the wall clock was set by as much */
	int64_t jump_at;
};

static double
least(double x, double y)
{
	return x < y ? x : y;
}

static void
drift_at(const struct between *w, int64_t at, double *offset, double *doubt)
{
	const double t0 = (double)(at - w->from), t1 = (double)(w->to - at);

	*offset = w->a + (w->b - w->a) * t0 / (t0 + t1);
	*doubt = (w->da > w->db ? w->da : w->db) + RATE_STRAY * least(t0, t1);
}

/* Offset and doubt that hold in [at, until). */
static void
between_at(const struct between *w, int64_t at, int64_t until, double *offset, double *doubt)
{
	const int64_t middle = w->from + (w->to - w->from) / 2;
	double a, b, da, db, dm = 0, at_middle;

	if (!w->drift) {
		const bool before = w->jump_known && at < w->jump_at;
		const double t = before ? (double)(until - w->from) : (double)(w->to - at);

		*offset = before ? w->a : w->b;
		*doubt = (before ? w->da : w->db) + RATE_FREE * t;
		if (!w->jump_known)
			*doubt += fabs(w->b - w->a);
		return;
	}
	drift_at(w, at, &a, &da);
	drift_at(w, until, &b, &db);
	if (at < middle && until > middle)
		drift_at(w, middle, &at_middle, &dm);
	*offset = (a + b) / 2;
	*doubt = fmax(dm, fmax(da, db)) + fabs(b - a) / 2;
}

struct points {
	int64_t at[POINTS_MAX + CLOCKMAP_GROWN + 2];
	unsigned n;
};

/* Ascending, each once. */
static void
point(struct points *p, int64_t at)
{
	unsigned i = p->n;

	while (i > 0 && p->at[i - 1] > at)
		i--;
	if (i > 0 && p->at[i - 1] == at)
		return;
	memmove(&p->at[i + 1], &p->at[i], (p->n - i) * sizeof(p->at[0]));
	p->at[i] = at;
	p->n++;
}

/* Enough of them that a segment strays by a step at most; each old one in the span, too. */
static void
choose_points(const struct clockmap *m, const struct between *w, int64_t begin, struct points *p)
{
	const double stray = RATE_STRAY * (double)(w->to - w->from) / 2;
	const double steps = fmax(fabs(w->b - w->a), 2 * stray) / CLOCKMAP_STEP_MS;
	const unsigned n = !w->drift            ? 1
			   : steps < 1          ? 1
			   : steps < POINTS_MAX ? (unsigned)steps
						: POINTS_MAX;

	p->n = 0;
	for (unsigned i = 0; i < n; i++)
		point(p, begin + (w->to - begin) / n * i);
	if (w->jump_known && w->jump_at > begin)
		point(p, w->jump_at);
	/* A segment from there on is what would hold there: it is replaced. */
	for (unsigned i = 0; i < m->n_grown; i++)
		if (m->grown[i] >= begin)
			point(p, m->grown[i]);
}

/* What stood until then was placed, or may have been. */
static int64_t
silent_since(const struct clockmap *m)
{
	return m->measured_boot_ms > m->contact_boot_ms ? m->measured_boot_ms : m->contact_boot_ms;
}

static void
correct(struct clockmap *m, const struct between *w, struct clockmap_result *r)
{
	const int64_t begin = silent_since(m) + 1;
	struct points p;

	choose_points(m, w, begin, &p);
	for (unsigned i = 0; i < p.n; i++) {
		const int64_t until = i + 1 < p.n ? p.at[i + 1] : w->to;
		double offset, doubt;

		between_at(w, p.at[i], until, &offset, &doubt);
		if (!clockmap_fit_emit(m, r, p.at[i], offset, doubt, m->source))
			return;
	}
}

static void
look_between(
    const struct clockmap *m, int64_t boot_ms, double offset, double doubt, struct between *w)
{
	const double dt = (double)(boot_ms - m->measured_boot_ms);
	const double by = offset - m->measured_ms;
	const double room = m->measured_doubt_ms + doubt + RATE_FREE * dt;

	memset(w, 0, sizeof(*w));
	w->from = m->measured_boot_ms;
	w->to = boot_ms;
	w->a = m->measured_ms;
	w->b = offset;
	w->da = m->measured_doubt_ms;
	w->db = doubt;
	w->drift = fabs(by) <= room;
	w->jump_known = !w->drift && m->steps_since == 1 && m->step_boot_ms > w->from &&
			fabs((double)m->step_by_ms - by) <= room + 2000;
	w->jump_at = m->step_boot_ms;
}

/* The first measure of a boot: the further back, the less is known. */
static void
tell_before(
    struct clockmap *m, int64_t boot_ms, double offset, double doubt, struct clockmap_result *r)
{
	int64_t from = m->begin_boot_ms, left = boot_ms - from;

	while (RATE_FREE * (double)left > ROOM_MS) {
		(void)clockmap_fit_emit(
		    m, r, from, offset, doubt + RATE_FREE * (double)left, m->source);
		left /= 2;
		from = boot_ms - left;
	}
}

/* ---- the crystal's rate ---- */

static void
anchor(struct clockmap *m, int64_t boot_ms, double offset, double doubt)
{
	m->anchored = true;
	m->anchor_boot_ms = boot_ms;
	m->anchor_ms = offset;
	m->anchor_doubt_ms = doubt;
}

static void
forget_rate(struct clockmap *m)
{
	m->rate_known = m->anchored = false;
	rates(m, 0, RATE_FREE);
}

static void
learn_rate(struct clockmap *m, int64_t boot_ms, double offset, double doubt)
{
	const double dt = (double)(boot_ms - m->anchor_boot_ms);
	const double room = doubt + m->anchor_doubt_ms;
	double rate;

	if (!m->anchored || (dt < SILENCE_MS && doubt < m->anchor_doubt_ms)) {
		anchor(m, boot_ms, offset, doubt);
		return;
	}
	if (dt <= 0 || room > dt * RATE_EXACT)
		return;
	rate = (offset - m->anchor_ms) / dt;
	if (fabs(rate) > RATE_FREE) {
		forget_rate(m);
		return;
	}
	m->rate = rate;
	m->rate_known = true;
	rates(m, rate, RATE_STRAY);
	if (dt > 12 * 3600000.0)
		anchor(m, boot_ms, offset, doubt);
}

/* ---- a measure ---- */

/* The interval by it; true: it contradicts what was known. */
static bool
narrow(struct clockmap *m, double offset, double doubt, enum bl_clock_source source)
{
	const double lo = fmax(m->lo_ms, offset - doubt), hi = fmin(m->hi_ms, offset + doubt);
	const bool contradicts = m->known && lo > hi;

	/* NTP's errors are its own, look after look: no two make a better one. */
	if (!m->known || contradicts || source == BL_CLOCK_NTP) {
		m->lo_ms = offset - doubt;
		m->hi_ms = offset + doubt;
	} else {
		m->lo_ms = lo;
		m->hi_ms = hi;
	}
	return contradicts;
}

static void
take_rate(
    struct clockmap *m, int64_t boot_ms, double offset, double doubt, enum bl_clock_source source)
{
	if (source == BL_CLOCK_NTP) {
		/* The kernel corrects the rate of all its clocks. */
		m->rate_known = m->anchored = false;
		rates(m, 0, RATE_STRAY);
	} else {
		learn_rate(m, boot_ms, offset, doubt);
	}
}

static void
first_measure(
    struct clockmap *m, int64_t boot_ms, double offset, double doubt, struct clockmap_result *r)
{
	rates(m, 0, RATE_FREE);
	(void)narrow(m, offset, doubt, m->source);
	m->known = true;
	tell_before(m, boot_ms, offset, doubt, r);
	(void)tell_now(m, boot_ms, r);
}

static void
next_measure(
    struct clockmap *m, int64_t boot_ms, double offset, double doubt, struct clockmap_result *r)
{
	const bool silence = boot_ms - silent_since(m) >= SILENCE_MS;
	const double before = (m->lo_ms + m->hi_ms) / 2;
	struct between w;
	double middle, half;

	if (narrow(m, offset, doubt, m->source)) {
		look_between(m, boot_ms, offset, doubt, &w);
		r->jumped = !w.drift && m->source == BL_CLOCK_CENTRE;
		r->jump_ms = (int64_t)(offset - before);
		forget_rate(m);
	}
	middle = (m->lo_ms + m->hi_ms) / 2;
	half = (m->hi_ms - m->lo_ms) / 2;
	look_between(m, boot_ms, middle, half, &w);
	if (holds(&m->newest, m->lo_ms, m->hi_ms) && (m->n_grown == 0 || !silence)) {
		/* It is known much better by now. */
		if (m->newest.uncertainty_ms > 4 * stated(m, half))
			(void)tell_now(m, boot_ms, r);
		return;
	}
	if (silence)
		correct(m, &w, r);
	(void)tell_now(m, boot_ms, r);
}

void
clockmap_fit_measure(struct clockmap *m, int64_t boot_ms, double offset_ms, double doubt_ms,
    enum bl_clock_source source, struct clockmap_result *r)
{
	m->source = source;
	if (!m->known)
		first_measure(m, boot_ms, offset_ms, doubt_ms, r);
	else
		next_measure(m, boot_ms, offset_ms, doubt_ms, r);
	take_rate(m, boot_ms, offset_ms, doubt_ms, source);
	m->measured_boot_ms = boot_ms;
	m->measured_ms = (m->lo_ms + m->hi_ms) / 2;
	m->measured_doubt_ms = (m->hi_ms - m->lo_ms) / 2;
	m->n_grown = 0;
	m->steps_since = 0;
}

void
clockmap_resume(struct clockmap *m, const struct bl_clock_segment *told, int64_t boot_ms)
{
	if (!bl_id_equal(&told->boot, &m->boot))
		return;
	m->begun = true; /* it sampled already, from about the start of the machine on */
	if (told->source == BL_CLOCK_UNTRUSTED)
		return;
	m->known = true;
	m->source = told->source;
	m->newest = *told;
	m->at_boot_ms = m->measured_boot_ms = told->from_boot_ms;
	m->measured_ms = (double)told->offset_ms;
	m->measured_doubt_ms = told->uncertainty_ms;
	m->lo_ms = m->measured_ms - m->measured_doubt_ms;
	m->hi_ms = m->measured_ms + m->measured_doubt_ms;
	m->contact_boot_ms = boot_ms; /* nobody remembers what was delivered */
	rates(m, 0, RATE_FREE);
	m->budget = BUDGET_MAX / 4;
	m->budget_boot_ms = boot_ms;
	m->told = true;
}
