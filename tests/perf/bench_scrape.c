/*
 * What it costs to read an exporter's page that was read before: lines found, numbers
 * read, values put into a sink like the agent's.
 *
 *   bench_scrape PAGE
 *
 * PAGE is one of node_exporter's.  Two versions of it take turns, of which the second has
 * another last digit in every number, in pieces of 16 KiB as a socket gives them.
 * Prints `name value unit` lines.  Not part of the test run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scrape_internal.h"

#define PAGE_MAX  (4u << 20)
#define PIECE     16384u
#define RUNS      7u
#define RUN_PAGES 400u
#define SERIES    65536u

struct put {
	int32_t handle;
	uint8_t unknown;
	double value;
};

struct sink {
	int32_t declared;
	uint32_t n, largest;
	struct put put[SERIES];
};

static int32_t
sink_declare(void *ctx, const struct bl_series_def *def)
{
	(void)def;
	return ((struct sink *)ctx)->declared++;
}

static void
sink_add(void *ctx, int32_t handle, double value, enum bl_unknown unknown)
{
	struct sink *s = ctx;

	if (s->n < SERIES)
		s->put[s->n++] = (struct put){ handle, (uint8_t)unknown, value };
}

static void
sink_put(void *ctx, int32_t handle, double value)
{
	sink_add(ctx, handle, value, BL_KNOWN);
}

static void
sink_unknown(void *ctx, int32_t handle, enum bl_unknown reason)
{
	sink_add(ctx, handle, 0, reason);
}

static double
cpu_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The same page with another last digit in each line. */
static void
vary(char *to, const char *from, size_t len)
{
	memcpy(to, from, len);
	for (size_t i = 1; i < len; i++)
		if (to[i] == '\n' && to[i - 1] >= '0' && to[i - 1] <= '9')
			to[i - 1] = (char)('0' + (to[i - 1] - '0' + 1) % 10);
}

static uint32_t
read_page(struct scrape_page *p, struct sink *s, const char *text, size_t len)
{
	uint32_t bad;

	s->n = 0;
	scrape_page_begin(p, false, 0);
	for (size_t at = 0; at < len; at += PIECE)
		scrape_page_feed(p, text + at, len - at < PIECE ? len - at : PIECE);
	if (scrape_page_end(p, true, &bad) != NULL || bad != 0)
		return 0;
	return scrape_page_put(p, 0);
}

static int
measure(const char *text, size_t len)
{
	static struct sink s;
	static struct scrape_counts counts;
	static char other[PAGE_MAX];
	struct sample_sink sink = {
		.ctx = &s, .declare = sink_declare, .put = sink_put, .unknown = sink_unknown
	};
	const struct scrape_exporter_conf conf = { .name = (char *)"node" };
	const struct intake_opts opts = {
		.source = "node", .max_series = SERIES, .interval_ms = 10000, .sink = &sink
	};
	struct intake *intake;
	struct scrape_page *page;
	double best = 0, first;
	struct bl_err err;
	uint32_t n;

	if (intake_open(&intake, &opts, &err) < 0 ||
	    scrape_page_create(&page, intake, &conf, &counts, &err) < 0)
		return 1;
	vary(other, text, len);
	first = cpu_s();
	n = read_page(page, &s, text, len);
	first = cpu_s() - first;
	for (unsigned run = 0; run < RUNS && n > 0; run++) {
		const double begin = cpu_s();
		uint64_t put = 0;

		for (unsigned i = 0; i < RUN_PAGES; i++)
			put += read_page(page, &s, i % 2 == 0 ? other : text, len);
		if (put != (uint64_t)n * RUN_PAGES || s.n != n)
			return 1; /* not every series each time: no figure */
		best =
		    (double)put / (cpu_s() - begin) > best ? (double)put / (cpu_s() - begin) : best;
	}
	printf("scrape_series_per_cpu_s %.0f series/s\n", best);
	printf("scrape_first_page_us %.0f us\n", first * 1e6);
	printf("scrape_page_us %.1f us (%u series, %zu bytes)\n", n / best * 1e6, n, len);
	scrape_page_free(page);
	intake_close(intake);
	return n == 0;
}

int
main(int argc, char **argv)
{
	static char text[PAGE_MAX];
	FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
	size_t len;

	if (f == NULL) {
		(void)fprintf(stderr, "usage: bench_scrape PAGE\n");
		return 2;
	}
	len = fread(text, 1, sizeof(text), f);
	(void)fclose(f);
	return measure(text, len);
}
