/* See mix.h. */
#include "mix.h"

#include <math.h>
#include <stdint.h>

static uint64_t rng_state = 88172645463325252u;

double
mix_uniform(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (double)(rng_state >> 11) / 9007199254740992.0;
}

static double
normal(void)
{
	double sum = 0;

	for (int i = 0; i < 12; i++)
		sum += mix_uniform();
	return sum - 6;
}

static double
rounded(double v, double unit)
{
	return round(v / unit) * unit;
}

/* To decimals as a sampler would state them: the double nearest to the text. */
static double
decimals(double v, int places)
{
	static const double scale[] = { 1, 1e1, 1e2, 1e3 };

	return round(v * scale[places]) / scale[places];
}

void
mix_init(struct mix *m, unsigned series)
{
	for (unsigned i = 0; i < series; i++) {
		const unsigned kind = i % 100;

		m->state[i] = mix_uniform() * 1e9;
		m->rate[i] = 50 + mix_uniform() * 5000;
		if (kind < 12)
			m->state[i] = mix_uniform() * 60;
		else if (kind < 15)
			m->state[i] = mix_uniform() * 4;
		else if (kind < 21)
			m->state[i] = mix_uniform() * 8e9;
	}
}

static double
walk(struct mix *m, unsigned i, double step, double low, double high)
{
	m->state[i] += normal() * step;
	m->state[i] = fmin(fmax(m->state[i], low), high);
	return m->state[i];
}

double
mix_next(struct mix *m, unsigned i)
{
	const unsigned kind = i % 100;

	if (kind < 12)
		return decimals(walk(m, i, 1.5, 0, 100), 2);
	if (kind < 15)
		return decimals(walk(m, i, 0.05, 0, 64), 2);
	if (kind < 21)
		return rounded(walk(m, i, 4e6, 1e8, 16e9), 4096);
	if (kind < 33)
		return kind % 3 != 0 ? floor(m->state[i])
				     : rounded(walk(m, i, 1e5, 1e6, 5e11), 4096);
	if (kind < 43 || (kind < 59 && kind % 2 == 0))
		return floor(m->state[i] += m->rate[i] * (1 + 0.3 * normal()) + 0.5);
	if (kind < 59)
		return floor(m->state[i]);
	if (kind < 64)
		return kind % 2 ? decimals(walk(m, i, 0.3, 0, 100), 1) : rounded(m->state[i], 1);
	if (kind < 84)
		return kind % 4 == 0 ? 200
				     : decimals(20 * exp(0.5 * normal()) + m->rate[i] / 50, 3);
	if (kind < 96)
		return kind % 2 ? floor(exp(normal()) * 3) : decimals(30 * exp(0.8 * normal()), 2);
	return decimals(walk(m, i, 0.4, -20, 1e9), 1);
}
