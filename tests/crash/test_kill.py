"""kill -9 of agents, broker and collector under load: nothing accepted is lost, nothing stored twice.

Two kinds of load on each agent: synthetic samples, accepted when the spool's transaction counted them,
and reported steps, accepted when the agent said "ok" over its socket. Both carry values that say what
is missing or came twice (support/oracle.py). The broker keeps its state on disk here, as a user's own
might; half of its deaths take that file along. Which kills come when is dealt from a seed, which is
printed: every form of the table below as often as it says, in random order.
"""

import os
import random
import time

import pytest

from support.oracle import (Account, Spool, Store, account_of_reports, account_of_samples, arrived_in_full,
                            check_values, load, nothing_but_off, quieten)
from support.second import second_opinion
from support.seed import chance_seed
from support.steps import EventLoad
from support.wait import wait_for

BUSY_S = 3  # how long something new in the store is waited for before each kill
LONG = bool(os.environ.get("BL_LONG"))
FULL = os.environ.get("BL_KILLS") == "full"
AGENTS, SERIES = 3, 100
# What dies at the same moment -> how often. "agents" is all of them, one after the other, each after a
# few more reports of its own: 10 times are 30 kills.
DEALT = {
    ("agents",): 10,
    ("broker",): 15,
    ("broker", "its database"): 15,
    ("collector",): 30,
    ("agent", "collector"): 5,
    ("broker", "its database", "collector"): 5,
    ("agent", "broker"): 5,
    ("agent", "broker", "collector"): 4,
    ("agent", "broker", "its database", "collector"): 4,
}
# BL_KILLS=full: 100 of each, 50 pairs, 25 of all three.
DEALT_FULL = {
    ("agents",): 34,
    ("broker",): 50,
    ("broker", "its database"): 50,
    ("collector",): 100,
    ("agent", "collector"): 17,
    ("broker", "its database", "collector"): 17,
    ("agent", "broker"): 16,
    ("agent", "broker", "collector"): 12,
    ("agent", "broker", "its database", "collector"): 13,
}
# BL_LONG: ten organisations, in each 100 of each and as many combinations at random.
DEALT_LONG = {("agents",): 34, ("broker",): 50, ("broker", "its database"): 50, ("collector",): 100}
RANDOM_LONG, PARTS = 100, 10 if LONG else 1


def dealt(rng):
    table = DEALT_LONG if LONG else DEALT_FULL if FULL else DEALT
    deck = [kind for kind, times in table.items() for _ in range(times)]
    if LONG:
        deck += [rng.choice(list(DEALT)) for _ in range(RANDOM_LONG)]
    rng.shuffle(deck)
    return deck


class Branches:
    """The organisation, its agents under load, and their deaths."""

    def __init__(self, org, rng):
        self.org, self.rng = org, rng
        self.store = Store(org)
        self.spools = []  # agents, each with the id of its spool
        self.rounds = self.idle = 0  # those without anything new in the store
        self.kills = {"agent": 0, "broker": 0, "its database": 0, "collector": 0}
        self.database = org.folder / "broker" / "mosquitto.db"
        self._keep_broker_state()
        org.tool("site", "add", "Crash")
        self.agents = [self._agent(f"till {i}") for i in range(AGENTS)]
        self.loads = [EventLoad(agent.device, agent.folder / "state" / "steps.sock", rate=80, burst=8, padding=640)
                      for agent in self.agents]
        for reports in self.loads:
            reports.start()

    def _keep_broker_state(self):
        conf = self.org.folder / "broker" / "mosquitto.conf"
        text = conf.read_text()
        assert "persistence false\n" in text
        conf.write_text(text.replace(
            "persistence false\n", f"persistence true\npersistence_location {self.database.parent}/\n"
            "autosave_on_changes true\nautosave_interval 1\n"))
        self.org.broker.kill()
        self.org.start_broker()

    def _agent(self, name):
        agent = self.org.add_agent("crash", name)
        agent.base = agent.config.read_text() + "\n"
        agent.config.write_text(agent.base + load(SERIES))
        agent.start()
        self.spools.append((agent, Spool(agent).id()))
        return agent

    def logs(self):
        return "".join(a.process.log()[-3000:] for a in self.agents) + self.org.collector.log()[-3000:]

    def more_reports(self, i, n):
        reports = self.loads[i]
        until = reports.accepted + n
        wait_for(lambda: reports.failure or reports.accepted >= until, 60, "reports are accepted", self.logs)

    def under_load(self):
        """Reports go on, and, as a rule, something new has been stored: after many deaths of the broker all
        agents may stand in their back-off, which is waited for where that has been so often."""
        patience_s = BUSY_S if self.idle * 4 <= self.rounds else 5 * BUSY_S
        stored, until = self.store.values(), time.monotonic() + patience_s
        wait_for(lambda: self.store.values() > stored or time.monotonic() > until, 2 * patience_s)
        self.rounds += 1
        self.idle += self.store.values() == stored
        self.more_reports(self.rng.randrange(AGENTS), self.rng.randrange(1, 20))

    def kill(self, kind):
        if kind == ("agents",):
            for i, agent in enumerate(self.agents):
                self.more_reports(i, self.rng.randrange(1, 20))
                agent.kill()
                agent.start()
            self.kills["agent"] += AGENTS
            return
        agent = self.rng.choice(self.agents)
        victims = [(what, {"agent": agent, "broker": self.org.broker, "collector": self.org.collector}[what])
                   for what in kind if what != "its database"]
        if "its database" in kind:
            wait_for(self.database.exists, 30, "the broker has saved its state", self.org.broker.log)
        self.rng.shuffle(victims)
        for what, victim in victims:
            victim.kill()
            self.kills[what] += 1
        if "its database" in kind:
            self.database.unlink()
            self.kills["its database"] += 1
        starts = {"agent": agent.start, "broker": self.org.start_broker, "collector": self.org.start_collector}
        # The collector's start waits until it is connected: the broker first.
        for what in ("broker", "agent", "collector"):
            if what in kind:
                starts[what]()

    def account(self) -> Account:
        for reports in self.loads:
            reports.finish()
        total = Account()
        for agent in self.agents:
            quieten(agent, agent.base)
        for agent, reports in zip(self.agents, self.loads):
            arrived_in_full(self.org, agent, timeout_s=180)
            assert check_values(self.store, agent.device) > 0
            total += account_of_samples(self.store, agent) + account_of_reports(self.store, agent, reports)
        return total


@pytest.mark.parametrize("part", range(PARTS))
def test_kill_9_loses_nothing_and_doubles_nothing(organisation, record_property, part):
    seed = chance_seed() + part
    print(f"seed {seed} (BL_SEED repeats it)")
    record_property("seed", seed)
    rng = random.Random(seed)
    begun = time.monotonic()
    all_of_it = Branches(organisation, rng)
    deck = dealt(rng)
    for kind in deck:
        all_of_it.under_load()
        all_of_it.kill(kind)
    total = all_of_it.account()
    print(f"{len(deck)} times, killed:", ", ".join(f"{what} {n}" for what, n in all_of_it.kills.items()),
          f"in {time.monotonic() - begun:.0f} s;"
          f" {all_of_it.idle} times nothing new had been stored since the last;"
          f" {sum(r.repeated for r in all_of_it.loads)} reports were there already when said again")
    print(total.line())
    record_property("account", total.line())
    assert (total.doubled, total.lost, total.explained) == (0, 0, 0), total.line()
    assert total.accepted == total.stored > len(deck) * SERIES
    nothing_but_off(organisation, all_of_it.spools)
    assert organisation.api("GET", "/gaps")["unexplained"] == 0
    second_opinion(organisation, all_of_it.agents, all_of_it.loads, record_property)
    assert min(all_of_it.kills.values()) >= 20 and all_of_it.idle < len(deck) / 2, "each died, and under load"
