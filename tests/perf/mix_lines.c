/*
 * The mix as Influx lines, in the order in which a fleet's samples arrive: tick by tick, agent by
 * agent, 29 lines of several fields for 100 values, as Telegraf would send them, times in ms.
 *
 *   mix_lines SEED AGENTS TICKS BEGIN_UNIX_MS regular|jitter
 *
 * To standard output; the loader of another store reads it (vm.py).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mix.h"

#define OUT_BYTES (1u << 20)
#define TICK_MAX  8192u /* bytes of one tick of one agent, more than it can be */

static char out[OUT_BYTES + TICK_MAX];
static size_t out_len;

static void
put(const char *s)
{
	const size_t n = strlen(s);

	memcpy(out + out_len, s, n);
	out_len += n;
}

static void
put_digits(uint64_t v, unsigned least)
{
	char d[24];
	unsigned n = 0;

	for (; v > 0 || n < least; v /= 10)
		d[n++] = (char)('0' + v % 10);
	while (n > 0)
		out[out_len++] = d[--n];
}

/* The shortest text of a value with at most three decimals. */
static void
put_value(double v)
{
	uint64_t thousandths = (uint64_t)llround(fabs(v) * 1000);
	unsigned places = 3, part = (unsigned)(thousandths % 1000);

	if (v < 0)
		out[out_len++] = '-';
	put_digits(thousandths / 1000, 1);
	if (part == 0)
		return;
	for (; part % 10 == 0; part /= 10)
		places--;
	out[out_len++] = '.';
	put_digits(part, places);
}

static int
same_line(const struct mix_series *a, const struct mix_series *b)
{
	if (strcmp(a->group, b->group) != 0)
		return 0;
	return a->label == b->label &&
	       (a->label == NULL || strcmp(a->label_value, b->label_value) == 0);
}

static void
put_head(const struct mix_series *s, uint32_t agent)
{
	put(s->group);
	put(",host=agent-");
	put_digits(agent, 5);
	if (s->label != NULL) {
		put(",");
		put(s->label);
		put("=");
		put(s->label_value);
	}
}

static void
put_tick(const double v[MIX_SERIES], uint32_t agent, int64_t unix_ms)
{
	for (unsigned i = 0; i < MIX_SERIES; i++) {
		const struct mix_series *s = mix_series(i);

		if (i == 0 || !same_line(mix_series(i - 1), s)) {
			put_head(s, agent);
			put(" ");
		} else {
			put(",");
		}
		put(s->field);
		put("=");
		put_value(v[i]);
		if (i + 1 < MIX_SERIES && same_line(s, mix_series(i + 1)))
			continue;
		put(" ");
		put_digits((uint64_t)unix_ms, 1);
		put("\n");
	}
}

static void
flush(void)
{
	if (fwrite(out, 1, out_len, stdout) != out_len)
		exit(1); /* the loader ended */
	out_len = 0;
}

int
main(int argc, char **argv)
{
	const uint64_t seed = argc == 6 ? strtoull(argv[1], NULL, 10) : 0;
	const uint32_t agents = argc == 6 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
	const int64_t ticks = argc == 6 ? atoll(argv[3]) : 0,
		      begin = argc == 6 ? atoll(argv[4]) : 0;
	struct mix *m = calloc(agents, sizeof(*m));
	double v[MIX_SERIES];

	if (agents == 0 || ticks <= 0 || m == NULL) {
		(void)fprintf(
		    stderr, "usage: mix_lines SEED AGENTS TICKS BEGIN_UNIX_MS regular|jitter\n");
		return 2;
	}
	for (uint32_t a = 0; a < agents; a++)
		mix_init(&m[a], seed, a);
	for (int64_t t = 0; t < ticks; t++)
		for (uint32_t a = 0; a < agents; a++) {
			const int64_t late = mix_jitter_ms(&m[a]);

			mix_tick(&m[a], v);
			put_tick(v, a, begin + t * 10000 + (argv[5][0] == 'j' ? late : 0));
			if (out_len >= OUT_BYTES)
				flush();
		}
	flush();
	free(m);
	return 0;
}
