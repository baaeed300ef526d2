"""Soak: agent and collector under ten times the rated load; memory, descriptors and threads stay where they are.

Rated are 200 series every 10 s; here it is every second, and steps come in all the time. Two minutes by
default, ten with BL_LONG=1. BL_SOAK_S=259200 is the form of 72 hours: the rated load, and every ten
minutes the broker is killed and every link cut. Leaks that nobody can reach any more are found at the end by the
sanitizer's own check; this is about what grows and could still be reached.
"""

import os
import statistics
import time

import pytest

from support.oracle import (QUIET, Account, Spool, Store, account_of_reports, account_of_samples, arrive_in_full,
                            check_values)
from support.proxy import Proxy
from support.steps import EventLoad
from support.wait import wait_for

SECONDS = int(os.environ.get("BL_SOAK_S") or (600 if os.environ.get("BL_LONG") else 120))
RATED = SECONDS > 3600
WARM_S = min(SECONDS / 3, 300)
FAULT_EVERY_S = 600
STEPS_RATE = 2 if RATED else 20  # a second and agent
AGENTS, SERIES = 3, 200
# What a sanitizer keeps of freed memory would look like growth.
ASAN = "quarantine_size_mb=1:thread_local_quarantine_size_kb=64:" + os.environ.get("ASAN_OPTIONS", "")
DAY_S = 86400
# Between the first and the last third after warming up. What was seen: at most 0.5 and 1.5 MiB, in ten minutes
# as in two: caches that fill, and pages that the sanitizer's allocator breaks up. 100 bytes a sample would be twice that.
GROWTH_MAX_KIB = {"collector": 4096, "agent": 1024}


class Looks:
    """What one process costs, looked at again and again."""

    def __init__(self, name, process, growth_max_kib):
        self.name, self.process, self.growth_max_kib = name, process, growth_max_kib
        self.at, self.rss_kib, self.fds, self.threads = [], [], [], []

    def look(self, now):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            status = dict(line.split(":", 1) for line in file)
        self.at.append(now)
        self.rss_kib.append(int(status["VmRSS"].split()[0]))
        self.threads.append(int(status["Threads"]))
        self.fds.append(len(os.listdir(f"/proc/{self.process.pid}/fd")))

    def _parts(self, values):
        """Those of the first third after warming up, and those of the last."""
        warm = [v for at, v in zip(self.at, values) if at >= WARM_S]
        return warm[:len(warm) // 3], warm[-(len(warm) // 3):]

    def growth_kib(self):
        first, last = self._parts(self.rss_kib)
        return statistics.median(last) - statistics.median(first)

    def slope_share_per_day(self):
        warm = [(at, v) for at, v in zip(self.at, self.rss_kib) if at >= WARM_S]
        slope, _ = statistics.linear_regression(*zip(*warm))
        return slope * DAY_S / statistics.median(v for _, v in warm)

    def ever_less(self, values):
        """The most at first, and what it never went below at last: a file that is open for a moment is no growth."""
        first, last = self._parts(values)
        return max(first), min(last)


class Steps(EventLoad):
    """Tells an agent of steps of many cases, each begun and ended, one after the other."""

    def __init__(self, agent):
        super().__init__(agent.device, agent.folder / "state" / "steps.sock", rate=STEPS_RATE, burst=1)

    def line(self, n):
        verb, case = ("end", "begin")[n % 2], (n - 1) // 2
        return f"step {verb} c-{case} pack process=load id={self.id(n)} n={n} v={self.value(n)}"


@pytest.fixture
def loaded(organisation):
    """Organisation and agents, each behind a link of its own."""
    org = organisation
    org.tool("site", "add", "Soak")
    links, agents = [], []
    for i in range(AGENTS):
        links.append(Proxy(org.broker_port, seed=i))
        agent = org.add_agent("soak", f"n{i}").through(links[-1].port)
        agent.base = agent.config.read_text() + "\n"
        agent.config.write_text(agent.base + f"interval: {10 if RATED else 1}s" + QUIET
                                + f"  synthetic: {{ enabled: true, series: {SERIES} }}\n")
        agents.append(agent)
    org.collector.stop()
    org.start_collector(env={**os.environ, "ASAN_OPTIONS": ASAN})
    for agent in agents:
        agent.start(env={**os.environ, "ASAN_OPTIONS": ASAN})
    yield org, agents, links
    for link in links:
        link.close()


def test_nothing_grows_and_nothing_is_lost_under_ten_times_the_load(loaded, record_property):
    org, agents, links = loaded
    for agent in agents:
        wait_for(lambda: Spool(agent).accepted() > 0, 30, "samples are accepted", agent.process.log)
    steps = [Steps(agent) for agent in agents]
    for one in steps:
        one.start()
    watched = [Looks("collector", org.collector, GROWTH_MAX_KIB["collector"]),
               *(Looks(a.device, a.process, GROWTH_MAX_KIB["agent"]) for a in agents)]
    begun, fault_at = time.monotonic(), FAULT_EVERY_S

    def soaked():
        nonlocal fault_at
        now = time.monotonic() - begun
        assert not [load.failure for load in steps if load.failure], "a program that tells of steps has failed"
        for looks in watched:
            if not looks.at or now - looks.at[-1] >= 1:
                looks.look(now)
        if RATED and now >= fault_at:
            fault_at = now + FAULT_EVERY_S
            org.broker.kill()
            org.start_broker()
            for link in links:
                link.cut()
        return now >= SECONDS
    wait_for(soaked, SECONDS + 60, "the time is over", org.collector.log)
    for one in steps:
        one.finish()
        assert (one.ended, one.repeated) == (1, 0), "one connection, and nothing had to be said again"
    for looks in watched:
        print(f"{looks.name}: rss {looks.rss_kib[0]} KiB, after warming up {looks.growth_kib():+.0f} KiB, slope"
              f" {looks.slope_share_per_day() * 100:+.1f} %/day, descriptors {looks.ever_less(looks.fds)}, threads"
              f" {looks.ever_less(looks.threads)}, rss every 10 s {looks.rss_kib[::10]}")
        record_property(f"{looks.name}_growth_kib", looks.growth_kib())
    accepted = [Spool(agent).accepted() for agent in agents]
    assert min(accepted) > SERIES * SECONDS / (10 if RATED else 1) * 0.8
    store, total = Store(org), Account()
    for agent, load in zip(agents, steps):
        arrive_in_full(org, agent, agent.base, timeout_s=180)
        check_values(store, agent.device)
        total += account_of_samples(store, agent) + account_of_reports(store, agent, load)
    print(total.line())
    record_property("account", total.line())
    assert (total.doubled, total.lost, total.explained) == (0, 0, 0), total.line()
    assert total.accepted == total.stored and min(load.accepted for load in steps) > SECONDS * STEPS_RATE / 4
    assert org.api("GET", "/gaps")["unexplained"] == 0
    for looks in watched:
        for what, values in (("descriptors", looks.fds), ("threads", looks.threads)):
            first, last = looks.ever_less(values)
            assert last <= first, f"{looks.name}: {what} grew from {first} to {last}"
        if RATED:
            assert looks.slope_share_per_day() < 0.01, looks.name
        else:
            assert looks.growth_kib() < looks.growth_max_kib, (looks.name, looks.rss_kib)
