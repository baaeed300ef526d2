/*
 * "As if never offline": one history of many sites, delivered live, and then torn:
 * cut off for up to a day, cut into other batches, shuffled, doubled, clock maps late.
 * Final cells, runs, cases and incident intervals must be the same byte for byte.
 *
 *   sim_late [--sites N] [--days N] [--seeds FIRST-LAST] [--start UNIX_S] [--folder DIR] [--keep]
 *
 * Real code throughout (ingest_core, telemetry store, evaluator, control database);
 * the clock and the way from agent to centre are played.  Every value follows from (series, n), so
 * nothing is recorded.  A seed reproduces a run.  Prints `name value unit` lines; exit code 1 with
 * the first difference when a seed differs.
 */
#include "late.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct late_opts opts = {
	.sites = 20,
	.days = 2,
	.start_unix_ms = 1792800000000, /* 2026-10-24 00:00 UTC: Berlin's day of 25 hours is in it */
	.folder = "/dev/shm",
};

static double
cpu_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool
read_options(int argc, char **argv, unsigned *first, unsigned *last)
{
	static const struct option longs[] = { { "sites", 1, NULL, 's' }, { "days", 1, NULL, 'd' },
		{ "seeds", 1, NULL, 'r' }, { "start", 1, NULL, 't' }, { "folder", 1, NULL, 'f' },
		{ "keep", 0, NULL, 'k' }, { NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 's':
			opts.sites = (unsigned)atoi(optarg);
			break;
		case 'd':
			opts.days = (unsigned)atoi(optarg);
			break;
		case 'r':
			if (sscanf(optarg, "%u-%u", first, last) != 2)
				*last = *first;
			break;
		case 't':
			opts.start_unix_ms = atoll(optarg) * 1000;
			break;
		case 'f':
			opts.folder = optarg;
			break;
		case 'k':
			opts.keep = true;
			break;
		default:
			return false;
		}
	return opts.sites > 0 && opts.sites <= LATE_SITES_MAX && opts.days > 0 && *last >= *first;
}

int
main(int argc, char **argv)
{
	unsigned first = 1, last = 2, same = 0;
	struct late_result live, torn;
	double begun;

	if (!read_options(argc, argv, &first, &last)) {
		(void)fprintf(stderr, "usage: sim_late [--sites N] [--days N] [--seeds A-B]"
				      " [--start UNIX_S] [--folder DIR] [--keep]\n");
		return 64;
	}
	begun = cpu_s();
	late_run(&opts, 0, &live);
	(void)printf("late_live_cells %zu cells\nlate_live_incidents %zu incidents\n"
		     "late_live_cpu_s %.1f s\n",
	    live.cells, live.incidents, cpu_s() - begun);
	if (live.cells == 0 || live.incidents == 0) {
		(void)fprintf(stderr, "sim_late: the history shows nothing: no cells or no incidents\n");
		return 1;
	}
	for (unsigned seed = first; seed <= last; seed++) {
		begun = cpu_s();
		late_run(&opts, seed, &torn);
		same += late_same(&live, &torn, seed);
		(void)fprintf(stderr, "seed %u: %zu cells, %zu incidents, %.1f CPU s\n", seed,
		    torn.cells, torn.incidents, cpu_s() - begun);
		late_result_free(&torn);
	}
	late_result_free(&live);
	(void)printf("kpi_late_equals_live_seeds %u seeds\nrules_late_equals_live_seeds %u seeds\n",
	    same, same);
	return same == last - first + 1 ? 0 : 1;
}
