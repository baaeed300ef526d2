/*
 * sim_delivery [--seeds A-B] [--agents N] [--days D] [--scenario NAME|list] [--folder DIR]
 * [--verbose]
 *
 * A scenario may have a number of agents of its own, at least, and of days, unless they are given.
 *
 * One line a seed; the last line is
 *   seeds S agent_days D generated G accepted A stored S doubled D lost L explained E aside A
 *   held H undone U twice T seconds T
 * Exit code 1 when a seed failed: its line says FAIL and why; and when trouble that a named
 * scenario is for came in none of the seeds.  Without --scenario "mix".  A seed, with the same
 * numbers of agents and days, is the same run to the last byte: `trace` is a hash of all that
 * happened.
 */
#include "sim.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "branchline/log.h"

static struct {
	unsigned first, last, agents;
	double days;
	const struct sim_scenario *scenario;
	const char *folder;
	bool verbose;
} opts = { .first = 1, .last = 10, .agents = 4, .folder = "/dev/shm" };

static void
list(void)
{
	for (const struct sim_scenario *s = sim_scenarios; s->name != NULL; s++)
		(void)printf("%-20s %s%s\n", s->name, s->rule, s->open ? " [open]" : "");
	(void)printf("%-20s %s\n", "mix", "everything at once, by chance (without --scenario)");
}

static bool
set_scenario(const char *name)
{
	if (strcmp(name, "list") == 0) {
		list();
		exit(0);
	}
	if (strcmp(name, "mix") == 0)
		return true;
	if ((opts.scenario = sim_scenario_find(name)) == NULL)
		(void)fprintf(
		    stderr, "sim_delivery: no scenario \"%s\"; see --scenario list\n", name);
	return opts.scenario != NULL;
}

static bool
read_options(int argc, char **argv)
{
	static const struct option longs[] = { { "seeds", 1, NULL, 's' },
		{ "agents", 1, NULL, 'a' }, { "days", 1, NULL, 'd' }, { "scenario", 1, NULL, 'c' },
		{ "folder", 1, NULL, 'f' }, { "verbose", 0, NULL, 'v' }, { NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 's':
			if (sscanf(optarg, "%u-%u", &opts.first, &opts.last) == 1)
				opts.last = opts.first;
			break;
		case 'a':
			opts.agents = (unsigned)atoi(optarg);
			break;
		case 'd':
			opts.days = atof(optarg);
			break;
		case 'c':
			if (!set_scenario(optarg))
				return false;
			break;
		case 'f':
			opts.folder = optarg;
			break;
		case 'v':
			opts.verbose = true;
			break;
		default:
			return false;
		}
	return opts.agents > 0 && opts.agents <= SIM_MACHINES_MAX / 2 && opts.days >= 0 &&
	       opts.last >= opts.first;
}

static double
seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
add(struct sim_result *sum, const struct sim_result *r)
{
	sum->generated += r->generated;
	sum->accepted += r->accepted;
	sum->stored += r->stored;
	sum->doubled += r->doubled;
	sum->lost += r->lost;
	sum->explained += r->explained;
	sum->aside += r->aside;
	sum->held += r->held;
	sum->undone += r->undone;
	sum->twice += r->twice;
	sum->agent_days += r->agent_days;
	for (unsigned i = 0; i < ACTS; i++)
		sum->acts[i] += r->acts[i];
}

/* What the scenario has limits for. */
static void
print_measures(const struct sim_limits *limit, const struct sim_result *r)
{
	if (limit->live_p99_ms != 0)
		(void)printf("live_p99_ms %lld past_flight_bytes %zu ", (long long)r->live_p99_ms,
		    r->past_flight);
	if (limit->jain_pct != 0)
		(void)printf("jain_pct %u ", r->jain_pct);
	if (limit->back_ms != 0)
		(void)printf(
		    "back_ms %lld attempts_p99 %u ", (long long)r->back_ms, r->attempts_p99);
	if (limit->takeovers_per_h != 0)
		(void)printf("takeovers %u ", r->takeovers);
}

static void
print_seed(unsigned seed, const struct sim_result *r)
{
	(void)printf("seed %u %s generated %llu accepted %llu stored %llu doubled %llu lost %llu "
		     "explained %llu aside %llu held %llu undone %llu twice %llu ",
	    seed, opts.scenario != NULL ? opts.scenario->name : "mix",
	    (unsigned long long)r->generated, (unsigned long long)r->accepted,
	    (unsigned long long)r->stored, (unsigned long long)r->doubled,
	    (unsigned long long)r->lost, (unsigned long long)r->explained,
	    (unsigned long long)r->aside, (unsigned long long)r->held,
	    (unsigned long long)r->undone, (unsigned long long)r->twice);
	if (opts.scenario != NULL)
		print_measures(&opts.scenario->limit, r);
	(void)printf("trace %016llx%s%s\n", (unsigned long long)r->trace,
	    r->why[0] != '\0' ? " FAIL " : "", r->why);
	(void)fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct sim_result sum = { 0 }, r;
	char folder[SIM_PATH_MAX / 2];
	const char *lacks;
	unsigned failed = 0;
	double begun;

	if (!read_options(argc, argv)) {
		(void)fprintf(stderr, "usage: sim_delivery [--seeds A-B] [--agents N] [--days D]"
				      " [--scenario NAME|list] [--folder DIR] [--verbose]\n");
		return 64;
	}
	bl_log_level_set(opts.verbose ? BL_LOG_INFO : (enum bl_log_level)0);
	(void)snprintf(folder, sizeof(folder), "%s/branchline-sim-XXXXXX", opts.folder);
	if (mkdtemp(folder) == NULL) {
		perror("sim_delivery: mkdtemp");
		return 1;
	}
	if (opts.scenario != NULL && opts.agents < opts.scenario->agents)
		opts.agents = opts.scenario->agents;
	if (opts.days == 0)
		opts.days =
		    opts.scenario != NULL && opts.scenario->days > 0 ? opts.scenario->days : 1;
	begun = seconds();
	for (unsigned seed = opts.first; seed <= opts.last; seed++) {
		sim_run(seed, opts.scenario, opts.agents, (int64_t)(opts.days * (double)SIM_DAY),
		    folder, opts.verbose, &r);
		print_seed(seed, &r);
		failed += r.why[0] != '\0';
		add(&sum, &r);
	}
	(void)rmdir(folder);
	if (opts.scenario != NULL &&
	    (lacks = sim_scenario_lacks(opts.scenario, sum.acts)) != NULL) {
		(void)printf("%s FAIL nothing was shown: no %s came\n", opts.scenario->name, lacks);
		failed++;
	}
	(void)printf(
	    "seeds %u agent_days %.2f generated %llu accepted %llu stored %llu doubled %llu "
	    "lost %llu explained %llu aside %llu held %llu undone %llu twice %llu "
	    "seconds %.2f\n",
	    opts.last - opts.first + 1, sum.agent_days, (unsigned long long)sum.generated,
	    (unsigned long long)sum.accepted, (unsigned long long)sum.stored,
	    (unsigned long long)sum.doubled, (unsigned long long)sum.lost,
	    (unsigned long long)sum.explained, (unsigned long long)sum.aside,
	    (unsigned long long)sum.held, (unsigned long long)sum.undone,
	    (unsigned long long)sum.twice, seconds() - begun);
	return failed > 0 ? 1 : 0;
}
