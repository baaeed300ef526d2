"""Two hundred agents come back at once with a day each: the real programs, all on this machine.

The agents' folders are in memory where there is room: two hundred agents have two hundred disks, and the
collector has its own. Fairness is Jain's index over the bytes of backlog that each agent got rid of while
all of them still had some (sum squared / (n * sum of squares); 1: all the same).
"""

import os
import tempfile
import time
from pathlib import Path

from lanes import LOAD, Backlog, Judge, Witness, cpu_s, quantile, rss_mib, say
from support.org import Organisation
from support.process import Processes
from support.wait import wait_for

FIGURES = {"return_200_live_lag_p99_s": "s", "return_fairness": "", "return_200_drain_s": "s",
           "return_200_collector_mib": "MiB"}

AGENTS = int(os.environ.get("BL_PERF_RETURN_AGENTS", "200"))
HOURS = float(os.environ.get("BL_PERF_RETURN_HOURS", "24"))
CREDIT = os.environ.get("BL_PERF_RETURN_CREDIT", "")  # collector's setting; empty: its default
LIMIT_S = 3600
MEMORY = Path("/dev/shm")


def jain(values):
    return sum(values) ** 2 / (len(values) * sum(v * v for v in values)) if any(values) else 0.0


def measure(names):
    with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder, tempfile.TemporaryDirectory(
            prefix="bl-perf-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as agents:
        processes = Processes(Path(folder))
        try:
            return session(Organisation(Path(folder), processes), Path(agents))
        finally:
            processes.end_all()


def settings(org):
    if CREDIT:
        with open(org.folder / "collector" / "collector.yaml", "a", encoding="utf-8") as file:
            file.write(f"\ningest: {{ credit: {CREDIT} }}\n")


def add(org, agents):
    made = []
    for i in range(AGENTS):
        agent = org.add_agent("return", f"agent {i}", config=LOAD, folder=agents / f"agent-{i}")
        made.append((agent, Backlog(agent, HOURS, 200, i)))
    return made


def session(org, folder):
    settings(org)
    witness = Witness(org)
    org.start()
    org.tool("site", "add", "Return")
    say(f"making {AGENTS} agents with {HOURS:g} h each")
    made = add(org, folder)
    backlogs = [b for _, b in made]
    total = sum(b.bytes for b in backlogs)
    say(f"{total / 1e6:.0f} MB in {sum(b.batches for b in backlogs)} batches")
    witness.start()
    began, cpu = time.monotonic(), cpu_s(org.collector.pid)
    for agent, _ in made:
        agent.start()
    judge, looks, told = Judge(org), [], 0
    while True:
        there = judge.arrived()
        looks.append([there.get(b.boot, (0, 0))[1] for b in backlogs])
        left = sum(b.samples + b.events - there.get(b.boot, (0, 0))[0] for b in backlogs)
        if left <= 0:
            break
        took = time.monotonic() - began
        assert took < LIMIT_S, "the backlogs do not drain"
        if took >= told:
            told += 20
            say(f"{took:.0f} s: {sum(looks[-1]) / 1e6:.0f} MB, fairness {jain(looks[-1]):.3f}, collector"
                f" {rss_mib(org.collector.pid):.0f} MiB, {org.api('GET', '/status')['store']}")
        time.sleep(2)
    took = time.monotonic() - began
    lags, unsettled = witness.stop()
    rss, cpu = rss_mib(org.collector.pid), cpu_s(org.collector.pid) - cpu
    fair = fairness(looks, backlogs)
    lost, doubled = judge.account(backlogs)
    say(f"lost {lost} doubled {doubled}; drained in {took:.0f} s, {total / took / 1e6:.2f} MB/s, collector {cpu:.0f} s"
        f" of CPU, {rss:.0f} MiB at most; {len(lags)} live batches, lag median {quantile(lags, 0.5):.2f} p90"
        f" {quantile(lags, 0.9):.2f} p99 {quantile(lags, 0.99):.2f} largest {max(lags):.2f} s, {unsettled} without a"
        f" receipt when it ended; fairness {fair:.4f}")
    if lost or doubled:
        return {}
    return {"return_200_live_lag_p99_s": quantile(lags, 0.99), "return_fairness": fair,
            "return_200_drain_s": took, "return_200_collector_mib": rss}


def fairness(looks, backlogs):
    """At the last look at which all still had a tenth and more of their backlog."""
    full = [b.bytes for b in backlogs]
    best = 0.0
    for look in looks:
        if any(got > 0.9 * whole for got, whole in zip(look, full)):
            break
        if sum(look) > 0:
            best = jain(look)
    return best
