/* See fleet_figures.h. */
#include "fleet_figures.h"

#define STEPS 32u

/* Exact below 32 us, then the five bits below the highest one. */
static unsigned
step_of(uint64_t us)
{
	unsigned octave;

	if (us < STEPS)
		return (unsigned)us;
	octave = 63u - (unsigned)__builtin_clzll(us);
	if (octave > 31)
		return FLEET_HISTOGRAM - 1;
	return (octave - 4) * STEPS + (unsigned)(us >> (octave - 5) & (STEPS - 1));
}

static uint64_t
end_of(unsigned step)
{
	const unsigned octave = step / STEPS + 4;

	if (step < STEPS)
		return step;
	return ((STEPS + step % STEPS + 1) << (octave - 5)) - 1;
}

void
fleet_histogram_add(struct fleet_histogram *h, int64_t us)
{
	if (us < 0)
		us = 0;
	h->n++;
	if (us > h->max_us)
		h->max_us = us;
	h->count[step_of((uint64_t)us)]++;
}

int64_t
fleet_histogram_quantile(const struct fleet_histogram *h, double q)
{
	const uint64_t want = (uint64_t)((double)h->n * q);
	uint64_t seen = 0;

	for (unsigned i = 0; i < FLEET_HISTOGRAM; i++) {
		seen += h->count[i];
		if (seen > want || (seen == h->n && h->n > 0)) {
			const int64_t end = (int64_t)end_of(i);

			return end < h->max_us ? end : h->max_us;
		}
	}
	return 0;
}

void
fleet_histogram_print(const struct fleet_histogram *h, const char *name, FILE *out)
{
	static const struct {
		const char *name;
		double q;
	} at[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 } };

	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		(void)fprintf(out, "%s_%s_ms %.3f ms\n", name, at[i].name,
		    (double)fleet_histogram_quantile(h, at[i].q) / 1000.0);
	(void)fprintf(out, "%s_max_ms %.3f ms\n", name, (double)h->max_us / 1000.0);
}
