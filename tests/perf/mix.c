/* See mix.h.  How large the steps are was fitted to what a plain coder makes of them (README.md).
 */
#include "mix.h"

#include <math.h>

/* Where each kind begins, as the table in mix_names.c has it. */
enum {
	LOAD = 12,
	MEMORY = 15,
	FS = 21,
	DISK = 33,
	NET = 43,
	NET_IDLE = 51, /* two interfaces that nothing goes through */
	PROCESS = 59,
	PROBE = 64,
	STEP = 84,
	OTHER = 96,
};

#define PAGE 4096

static uint64_t
next(struct mix *m)
{
	m->rng ^= m->rng << 13;
	m->rng ^= m->rng >> 7;
	m->rng ^= m->rng << 17;
	return m->rng;
}

double
mix_uniform(struct mix *m)
{
	return (double)(next(m) >> 11) / 9007199254740992.0;
}

/* Near enough to normal, mean 0 and deviation 1: the sum of four parts of one number. */
static double
normal(struct mix *m)
{
	const uint64_t r = next(m);
	const uint64_t sum = (r & 0xffff) + (r >> 16 & 0xffff) + (r >> 32 & 0xffff) + (r >> 48);

	return ((double)sum - 2 * 65535.0) * (1.7320508075688772 / 65535.0);
}

/* To decimals as a sampler would state them: the double nearest to the text. */
static double
decimals(double v, int places)
{
	static const double scale[] = { 1, 1e1, 1e2 };

	return round(v * scale[places]) / scale[places];
}

static double
walk(struct mix *m, unsigned i, double step, double low, double high)
{
	m->state[i] = fmin(fmax(m->state[i] + normal(m) * step, low), high);
	return m->state[i];
}

static double
count_on(struct mix *m, unsigned i, double noise)
{
	m->state[i] += round(fmax(0, m->rate[i] * (1 + noise * normal(m))));
	return m->state[i];
}

/* Where a series of this kind begins, at most. */
static double
most(unsigned i)
{
	if (i < LOAD)
		return 60;
	if (i < MEMORY)
		return 4;
	if (i < FS)
		return 2e6; /* pages */
	if (i < DISK)
		return 1e8; /* blocks, inodes */
	if (i < NET)
		return 1e10;
	if (i < PROCESS)
		return (i - NET) % 4 < 2 ? 1e13 : 1e12; /* bytes, packets */
	return 100;
}

void
mix_init(struct mix *m, uint64_t seed, uint32_t agent)
{
	/* splitmix64's last step, so that neighbours have nothing in common */
	uint64_t z = seed * 0x9e3779b97f4a7c15u + (agent + 1ull) * 0xd1342543de82ef95u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	m->rng = (z ^ z >> 31) | 1;
	for (unsigned i = 0; i < MIX_SERIES; i++) {
		const double a = mix_uniform(m) * most(i), rate = 50 + mix_uniform(m) * 5000;

		m->state[i] = i >= MEMORY && i < PROCESS ? floor(a) : a;
		m->rate[i] = (float)(i < NET ? rate / 50 : i < PROCESS ? rate * 10 : rate);
	}
}

/* Total, used, inodes, inodes used: two of them move. */
static double
file_system(struct mix *m, unsigned i)
{
	const unsigned field = (i - FS) % 4;

	if (field % 2 == 1)
		m->state[i] += round(normal(m) * 30);
	return field < 2 ? PAGE * m->state[i] : m->state[i];
}

static double
probe(struct mix *m, unsigned i)
{
	if ((i - PROBE) % 4 == 0)
		return 200; /* the status */
	return decimals(m->rate[i] / 50 + 20 * exp(0.15 * normal(m)), 2);
}

static double
step(struct mix *m, unsigned i)
{
	if ((i - STEP) % 2 == 1)
		return floor(exp(normal(m)) * 3); /* how many ended */
	return decimals(30 * exp(0.4 * normal(m)), 2);
}

double
mix_next(struct mix *m, unsigned i)
{
	if (i < LOAD)
		return decimals(walk(m, i, 0.4, 0, 100), 2);
	if (i < MEMORY)
		return decimals(walk(m, i, 0.05, 0, 64), 2);
	if (i < FS)
		return PAGE * round(walk(m, i, 1000, 1e4, 4e6));
	if (i < DISK)
		return file_system(m, i);
	if (i < NET) /* two of five fields are bytes, a page at a time */
		return count_on(m, i, 0.3) * ((i - DISK) % 5 < 2 ? PAGE : 1);
	if (i < NET_IDLE)
		return count_on(m, i, 0.05);
	if (i < PROCESS)
		return m->state[i];
	if (i < PROBE)
		return i % 2 ? floor(m->state[i]) : decimals(walk(m, i, 0.1, 0, 100), 1);
	if (i < STEP)
		return probe(m, i);
	if (i < OTHER)
		return step(m, i);
	return decimals(walk(m, i, 0.1, -20, 1e9), 1);
}

void
mix_tick(struct mix *m, double out[MIX_SERIES])
{
	for (unsigned i = 0; i < MIX_SERIES; i++)
		out[i] = mix_next(m, i);
}

int64_t
mix_jitter_ms(struct mix *m)
{
	return (int64_t)(mix_uniform(m) * 21);
}
