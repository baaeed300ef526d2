/* Named mixes of trouble.  tests/sim/README.md says which rule each one is for. */
#include "sim.h"

#include <string.h>

const struct sim_scenario sim_scenarios[] = {
	{ .name = "calm", .rule = "a good day: everything once, nothing to explain" },
	{ .name = "broker-forgets",
	    .rule = "only a receipt makes a batch deletable: what the broker took and forgot comes "
		    "again",
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .lose = 250,
	    .twice = 50 },
	{ .name = "doubled",
	    .rule = "duplicates are recognised from the header",
	    .lose = 2,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .twice = 700,
	    .late = 100 },
	{ .name = "reordered",
	    .rule = "batches and receipts in any order",
	    .lose = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .late = 400,
	    .twice = 100,
	    .drops = 30 },
	{ .name = "broker-dies",
	    .rule = "the broker may lose everything at any moment",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .broker_deaths = 24,
	    .drops = 6 },
	{ .name = "outages",
	    .rule = "a long outage ends: live first, backlog under credit",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .outages = 4,
	    .outage_ms = 10 * SIM_HOUR },
	{ .name = "collector-dies",
	    .rule = "commit, then receipt: a death between them doubles nothing",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .centre_kills = 24 },
	{ .name = "collector-cut",
	    .rule = "power goes at any operation of the collector's disk",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .centre_cuts = 40 },
	{ .name = "nothing-kept",
	    .rule = "a receipt is said after the commit: who deletes at once may rely on it",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 3 * SIM_HOUR,
	    .centre_cuts = 60,
	    .centre_kills = 6,
	    .keep_receipted_ms = 1000 },
	{ .name = "collector-stops",
	    .rule = "an orderly restart of the collector: hello again",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .centre_stops = 12 },
	{ .name = "agent-killed",
	    .rule = "accepted is committed: kill -9 and power cuts of agents",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .kills = 12 },
	{ .name = "agent-cut",
	    .rule = "power goes at any operation of an agent's disk",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .cuts = 30 },
	{ .name = "restarts",
	    .rule = "every start names the time it was off",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .restarts = 12,
	    .suspends = 4 },
	{ .name = "disk-fails",
	    .rule = "full and failing disks: memory bridges, nothing is believed twice",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .faults = 8,
	    .kills = 2 },
	{ .name = "rolled-back",
	    .rule = "an older copy of a spool was put back: a new id, cut again under it",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .back = 2,
	    .outages = 3,
	    .outage_ms = 4 * SIM_HOUR },
	{ .name = "rolled-back-at-once",
	    .rule = "same seq, another content: a conflict, set aside and not a duplicate",
	    .open = true,
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .late_batches = 700,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .back = 12,
	    .back_ms = 4 * SIM_MINUTE,
	    .tick_ms = 2 * SIM_MINUTE },
	{ .name = "resumed",
	    .rule = "a live snapshot goes on where it was",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .resumed = 1,
	    .outages = 3,
	    .outage_ms = 4 * SIM_HOUR },
	{ .name = "spool-lost",
	    .rule = "a spool that is gone is named",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .lost = 2,
	    .outages = 2,
	    .outage_ms = 2 * SIM_HOUR },
	{ .name = "spool-damaged",
	    .rule = "a damaged spool is set aside, salvaged, named",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .damaged = 3,
	    .outages = 3,
	    .outage_ms = 4 * SIM_HOUR },
	{ .name = "store-back",
	    .rule = "an older store was put back: agents offer again",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .store_back = 2,
	    .outages = 1,
	    .outage_ms = 4 * SIM_HOUR },
	{ .name = "store-back-late",
	    .rule = "what an older store lacks and no agent holds any more is lost at the centre",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .store_back = 2,
	    .keep_receipted_ms = 20 * SIM_MINUTE },
	{ .name = "store-lost",
	    .rule = "a new store epoch: hello, and everything held comes again",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .store_lost = 1,
	    .keep_receipted_ms = 4 * SIM_HOUR },
	{ .name = "cloned",
	    .rule = "two machines with one spool: kept apart, shown",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .clones = 2,
	    .outages = 2,
	    .outage_ms = 2 * SIM_HOUR },
	{ .name = "renamed",
	    .rule = "a spool is bound to its device id",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .renames = 1,
	    .restarts = 2 },
	{ .name = "clock-1970",
	    .rule = "a boot without the time is placed when its map comes",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .clock_1970 = true,
	    .kills = 4,
	    .outages = 2,
	    .outage_ms = 3 * SIM_HOUR },
	{ .name = "clock-steps",
	    .rule = "nothing depends on the wall clock",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .steps = 12,
	    .suspends = 3 },
	{ .name = "tiny-cap",
	    .rule = "a full spool drops by priority, each loss in the ledger",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .fat = true,
	    .max_bytes = 1 << 20,
	    .outages = 3,
	    .outage_ms = 16 * SIM_HOUR,
	    .tick_ms = SIM_MINUTE },
	{ .name = "tiny-cap-killed",
	    .rule = "the ledger survives what the batches do not",
	    .lose = 2,
	    .twice = 5,
	    .late = 5,
	    .drops = 2,
	    .centre_out_ms = 20 * SIM_MINUTE,
	    .fat = true,
	    .max_bytes = 1 << 20,
	    .outages = 3,
	    .outage_ms = 16 * SIM_HOUR,
	    .kills = 6,
	    .tick_ms = SIM_MINUTE,
	    .store_lost = 1 },
	{ .name = NULL },
};

const struct sim_scenario *
sim_scenario_find(const char *name)
{
	for (const struct sim_scenario *s = sim_scenarios; s->name != NULL; s++)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

const char *
sim_scenario_lacks(const struct sim_scenario *sc, const unsigned *acts)
{
	const struct {
		const char *what;
		unsigned planned;
		enum sim_act act;
	} all[] = {
		/* less than 5 of a hundred is by the way */
		{ "message lost", sc->lose / 50, ACT_LOSE },
		{ "message doubled", sc->twice / 50, ACT_TWICE },
		{ "message late", sc->late / 50, ACT_LATE },
		{ "connection cut", sc->drops, ACT_DROP },
		{ "outage", sc->outages, ACT_OUTAGE },
		{ "death of the broker", sc->broker_deaths, ACT_BROKER_DEATH },
		{ "stop of the centre", sc->centre_stops, ACT_CENTRE_STOP },
		{ "death of the centre", sc->centre_kills, ACT_CENTRE_KILL },
		{ "cut of the centre's disk", sc->centre_cuts, ACT_CENTRE_CUT },
		{ "store put back", sc->store_back, ACT_STORE_BACK },
		{ "store lost", sc->store_lost, ACT_STORE_LOST },
		{ "death of an agent", sc->kills, ACT_KILL },
		{ "cut of an agent's disk", sc->cuts, ACT_CUT },
		{ "restart", sc->restarts, ACT_RESTART },
		{ "failing disk", sc->faults, ACT_FAULT },
		{ "spool put back", sc->back, ACT_BACK },
		{ "snapshot resumed", sc->resumed, ACT_RESUME },
		{ "spool lost", sc->lost, ACT_LOST },
		{ "spool damaged", sc->damaged, ACT_DAMAGE },
		{ "clone", sc->clones, ACT_CLONE },
		{ "renaming", sc->renames, ACT_RENAME },
		{ "step of a clock", sc->steps, ACT_STEP },
		{ "suspension", sc->suspends, ACT_SUSPEND },
		{ "batch evicted", sc->max_bytes != 0, ACT_EVICT },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].planned > 0 && acts[all[i].act] == 0)
			return all[i].what;
	return NULL;
}

static unsigned
some(struct sim *w, unsigned in_ten, unsigned most)
{
	return sim_below(w, 10) < in_ten ? 1 + (unsigned)sim_below(w, most) : 0;
}

struct sim_scenario
sim_scenario_mix(struct sim *w)
{
	struct sim_scenario s = { .name = "mix", .rule = "everything at once" };

	s.lose = some(w, 5, 300);
	s.twice = some(w, 5, 300);
	s.late = some(w, 5, 200);
	s.drops = some(w, 7, 20);
	s.outages = some(w, 6, 4);
	s.outage_ms = sim_between(w, SIM_HOUR, 16 * SIM_HOUR);
	s.broker_deaths = some(w, 4, 10);
	s.centre_stops = some(w, 3, 6);
	s.centre_kills = some(w, 4, 8);
	s.centre_cuts = some(w, 3, 10);
	s.centre_out_ms = sim_between(w, SIM_MINUTE, 3 * SIM_HOUR);
	s.store_back = some(w, 2, 2);
	s.store_lost = some(w, 1, 1);
	s.kills = some(w, 5, 6);
	s.cuts = some(w, 4, 8);
	s.restarts = some(w, 4, 4);
	s.faults = some(w, 3, 4);
	s.back = some(w, 2, 2);
	s.damaged = some(w, 1, 1);
	s.steps = some(w, 3, 6);
	s.suspends = some(w, 3, 3);
	s.clock_1970 = sim_chance(w, 150);
	if (sim_chance(w, 200))
		s.keep_receipted_ms = sim_between(w, SIM_MINUTE, 12 * SIM_HOUR);
	if (sim_chance(w, 100)) {
		s.fat = true;
		s.max_bytes = 1 << 20;
	}
	return s;
}
