/* See fleet_opts.h: one table says what there is. */
#include "fleet_opts.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, NUMBER, SECONDS, SEED, FLAG };

struct option_row {
	const char *name;
	enum kind kind;
	size_t at;
	double least, most;
	const char *argument, *help;
};

#define AT(field) offsetof(struct fleet_opts, field)

static const struct option_row rows[] = {
	{ "devices", TEXT, AT(devices), 0, 0, "DIR",
	    "set-up files of `branchline device add` (run)" },
	{ "store", TEXT, AT(store), 0, 0, "PATH",
	    "folder for a new store (direct); the collector's telemetry.db (check)" },
	{ "record", TEXT, AT(record), 0, 0, "FILE",
	    "what was sent: written by run and direct, read by check" },
	{ "agents", NUMBER, AT(agents), 1, 20000, "N", "how many (1)" },
	{ "seed", SEED, AT(seed), 0, 0, "N", "of all values, ids and jitter (1)" },
	{ "tick", SECONDS, AT(tick_ms), 0.01, 3600, "S", "between samples (10)" },
	{ "cut", SECONDS, AT(cut_ms), 0.1, 3600, "S", "between batches (60)" },
	{ "measure", SECONDS, AT(measure_ms), 0, 86400, "S",
	    "how long to measure when all are up; with a backlog at least until it is gone (120)" },
	{ "limit", SECONDS, AT(limit_ms), 1, 86400, "S",
	    "given up when a phase takes longer (600)" },
	{ "connects", NUMBER, AT(connects_per_s), 1, 20000, "N", "begun a second (100)" },
	{ "together", NUMBER, AT(together), 1, 20000, "N",
	    "connections on their way up at a time; the others wait for their turn (100)" },
	{ "backlog", NUMBER, AT(past_hours), 0, 168, "HOURS", "that each agent brings along (0)" },
	{ "past-cut", SECONDS, AT(past_cut_ms), 0.1, 3600, "S",
	    "between batches of the backlog (3600)" },
	{ "variants", NUMBER, AT(variants), 1, 20000, "N",
	    "different backlogs; agents share them by turns (as many as agents)" },
	{ "sample", NUMBER, AT(sample), 1, 20000, "N",
	    "agents that check looks at value by value (20)" },
	{ "host-only", FLAG, AT(host_only), 0, 0, "",
	    "no empty batches of the streams without samples, which an agent would send" },
	{ "split", FLAG, AT(split), 0, 0, "",
	    "probes in a stream of their own, as an agent has them" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void
help(void)
{
	(void)printf(
	    "usage: fleet run --devices DIR [OPTION ...]      agents through a real broker\n"
	    "       fleet direct --store DIR [OPTION ...]     their batches straight into ingest\n"
	    "       fleet check --store FILE --record FILE    is what was sent there, once?\n\n"
	    "One process that acts as 1 to 20,000 agents. Prints `name value unit` lines.\n\n");
	for (size_t i = 0; i < ROWS; i++)
		(void)printf("  --%-10s %-6s %s\n", rows[i].name, rows[i].argument, rows[i].help);
}

static const struct option_row *
find(const char *name)
{
	for (size_t i = 0; i < ROWS; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

static bool
put(struct fleet_opts *o, const struct option_row *row, const char *text)
{
	char *field = (char *)o + row->at, *end = NULL;
	double number;

	if (row->kind == TEXT) {
		*(const char **)(void *)field = text;
		return true;
	}
	if (row->kind == SEED) {
		*(uint64_t *)(void *)field = strtoull(text, &end, 0);
		return *text != '\0' && *end == '\0';
	}
	number = strtod(text, &end);
	if (*text == '\0' || *end != '\0' || !(number >= row->least && number <= row->most)) {
		(void)fprintf(stderr, "fleet: --%s: expected a number from %g to %g\n", row->name,
		    row->least, row->most);
		return false;
	}
	if (row->kind == SECONDS)
		*(int64_t *)(void *)field = (int64_t)(number * 1000 + 0.5);
	else
		*(unsigned *)(void *)field = (unsigned)number;
	return true;
}

static int
parse_options(struct fleet_opts *o, int argc, char **argv)
{
	for (int i = 2; i < argc; i++) {
		const struct option_row *row =
		    strncmp(argv[i], "--", 2) == 0 ? find(argv[i] + 2) : NULL;

		if (strcmp(argv[i], "--help") == 0) {
			help();
			return 1;
		}
		if (row == NULL) {
			(void)fprintf(stderr, "fleet: \"%s\" is no option; see --help\n", argv[i]);
			return 2;
		}
		if (row->kind == FLAG) {
			*(bool *)((char *)o + row->at) = true;
		} else if (i + 1 == argc) {
			(void)fprintf(stderr, "fleet: --%s needs a value\n", row->name);
			return 2;
		} else if (!put(o, row, argv[++i])) {
			return 2;
		}
	}
	return 0;
}

static int
check(struct fleet_opts *o)
{
	const char *missing = NULL;

	if (o->command == FLEET_RUN && o->devices == NULL)
		missing = "--devices";
	if (o->command != FLEET_RUN && o->store == NULL)
		missing = "--store";
	if (o->command == FLEET_CHECK && o->record == NULL)
		missing = "--record";
	if (missing != NULL) {
		(void)fprintf(stderr, "fleet: %s is missing; see --help\n", missing);
		return 2;
	}
	if (o->cut_ms < o->tick_ms) {
		(void)fprintf(stderr, "fleet: --cut: expected at least --tick\n");
		return 2;
	}
	if (o->past_cut_ms < o->tick_ms || 3600000 % o->past_cut_ms != 0) {
		(void)fprintf(stderr, "fleet: --past-cut: expected at least --tick, and an hour a "
				      "multiple of it\n");
		return 2;
	}
	if (o->variants == 0 || o->variants > o->agents)
		o->variants = o->agents;
	return 0;
}

struct fleet_shape
fleet_shape_of(const struct fleet_opts *o)
{
	return (struct fleet_shape){ .seed = o->seed,
		.tick_ms = o->tick_ms,
		.cut_ms = o->cut_ms,
		.past_batches = (unsigned)(o->past_hours * INT64_C(3600000) / o->past_cut_ms),
		.past_cut_ms = o->past_cut_ms,
		.variants = o->variants,
		.split = o->split,
		.quiet = !o->host_only };
}

int
fleet_opts_parse(struct fleet_opts *o, int argc, char **argv)
{
	static const char *const commands[] = { "run", "direct", "check" };
	unsigned c = 0;
	int rc;

	*o = (struct fleet_opts){ .agents = 1,
		.seed = 1,
		.tick_ms = 10000,
		.cut_ms = 60000,
		.past_cut_ms = 3600000,
		.measure_ms = 120000,
		.limit_ms = 600000,
		.connects_per_s = 100,
		.together = 100,
		.sample = 20 };
	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		help();
		return 1;
	}
	while (c < 3 && (argc < 2 || strcmp(argv[1], commands[c]) != 0))
		c++;
	if (c == 3) {
		(void)fprintf(stderr, "fleet: expected run, direct or check; see --help\n");
		return 2;
	}
	o->command = (enum fleet_command)c;
	rc = parse_options(o, argc, argv);
	return rc != 0 ? rc : check(o);
}
