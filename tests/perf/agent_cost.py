"""What the agent costs: CPU, memory, bytes written, its start, its size; and what others cost beside it.

Two windows with a broker and a collector of their own. In the first one agent runs the profile agent-200.yaml, beside
it collectd and the node exporter do the same work (peers.py). In the second, two agents: one in the grouped mode for
SD cards, one with 1,000 series every second; apart from the first, because memory that is shared with another agent
would flatter it.
"""

import contextlib
import http.server
import os
import re
import sqlite3
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import peers
from agent_session import SERIES, Target, profile, say, wait_for_steady
from support.builds import program
from support.org import Organisation
from support.process import Processes
from support.wait import wait_for

FIRST = {
    "agent_rss_mib": "MiB",
    "agent_pss_mib": "MiB",
    "agent_cpu_s_per_hour": "s/h",
    "disk_written_mb_per_day": "MB/day",
    "agent_cpu_over_collectd": "",
    "agent_rss_over_collectd": "",
    "agent_cpu_over_node_exporter": "",
    "agent_rss_over_node_exporter": "",
}
SECOND = {
    "disk_written_grouped_mb_per_day": "MB/day",
    "agent_1s_cpu_s_per_hour": "s/h",
    "agent_1s_rss_mib": "MiB",
}
ALONE = {
    "start_to_first_sample_ms": "ms",
    "agent_binary_kb": "kB",
}
FIGURES = {**FIRST, **SECOND, **ALONE}

SETTLE_S = int(os.environ.get("BL_PERF_SETTLE_S", "70"))
WINDOW_S = int(os.environ.get("BL_PERF_WINDOW_S", "240"))
GROUP_WINDOW_S = int(os.environ.get("BL_PERF_GROUP_WINDOW_S", "600"))  # whole groups: two of them
ROUNDS_S = 1800  # so much longer at most, until the log has been worked off twice
STARTS = 9
GROUPED = "spool: {group: 5m}\n"
FAST_SERIES = 1000
FAST = """interval: 1s
samplers:
  synthetic: {enabled: true, series: @SYNTHETIC@}
"""


# ---- one process, from outside ----

def cpu_s(pid):
    """CPU seconds of the threads that live, to the nanosecond."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def fields(path, pattern):
    return {name: int(value) for name, value in re.findall(pattern, Path(path).read_text(encoding="ascii"))}


def memory_mib(pid):
    """Resident and proportional size."""
    kb = fields(f"/proc/{pid}/smaps_rollup", r"(?m)^(\w+): +(\d+) kB")
    return kb["Rss"] / 1024, kb["Pss"] / 1024


def written(pid):
    """Bytes of pages that it made the kernel write: what went out again before it was written is not in it."""
    io = fields(f"/proc/{pid}/io", r"(\w+): (\d+)")
    return io["write_bytes"] - io["cancelled_write_bytes"]


class Rounds:
    """Bytes written between one working-off of the spool's log and a later one.

    The log is written to the file at once, every eight minutes or so: a window that begins and ends anywhere
    holds one of these more or less, which is a tenth of the figure. The file changes then and only then.
    """

    def __init__(self, spool, pid):
        self.spool, self.pid, self.at = spool, pid, []
        self.changed = self._changed()

    def _changed(self):
        return self.spool.stat().st_mtime_ns

    def look(self):
        changed = self._changed()
        if changed != self.changed:
            self.changed = changed
            self.at.append((time.monotonic(), written(self.pid)))

    def whole(self):
        """At least one round has been seen from its begin to its end."""
        return len(self.at) >= 2

    def mb_day(self):
        (began, first), (ended, last) = self.at[0], self.at[-1]
        say(f"written in {len(self.at) - 1} whole rounds of the log, {ended - began:.0f} s")
        return (last - first) * 86400 / (ended - began) / 1e6


class Watched:
    """A process over the window. With a spool: what it writes is taken over whole rounds of its log."""

    def __init__(self, name, process, spool=None):
        self.name, self.process, self.pid = name, process, process.pid
        self.rss = self.pss = 0.0
        self.rounds = Rounds(spool, self.pid) if spool else None

    def begin(self):
        self.began, self.cpu, self.bytes = time.monotonic(), cpu_s(self.pid), written(self.pid)

    def look(self):
        assert self.process.running(), f"{self.name} ended:\n{self.process.log()[-2000:]}"
        rss, pss = memory_mib(self.pid)
        self.rss, self.pss = max(self.rss, rss), max(self.pss, pss)
        if self.rounds:
            self.rounds.look()

    def may_end(self):
        return self.rounds is None or self.rounds.whole()

    def end(self):
        took = time.monotonic() - self.began
        self.cpu_h = (cpu_s(self.pid) - self.cpu) * 3600 / took
        self.mb_day = self.rounds.mb_day() if self.rounds else (written(self.pid) - self.bytes) * 86400 / took / 1e6
        say(f"{self.name}: {self.cpu_h:.2f} CPU s/h, {self.rss:.2f} MiB resident, {self.pss:.2f} proportional, "
            f"{self.mb_day:.0f} MB/day written")


def watch(processes, window_s):
    say(f"measuring for {window_s} s; load {os.getloadavg()[0]:.1f}")
    for p in processes:
        p.begin()
    ends = time.monotonic() + window_s
    while time.monotonic() < ends or not all(p.may_end() for p in processes):
        assert time.monotonic() < ends + ROUNDS_S, f"no whole round of the log within {window_s + ROUNDS_S} s"
        time.sleep(5)
        for p in processes:
            p.look()
    for p in processes:
        p.end()
    say(f"load {os.getloadavg()[0]:.1f}")


# ---- the windows ----

def configured(org, site, name, text):
    agent = org.add_agent(site, name)
    agent.config.write_text(agent.config.read_text() + "\n" + text)
    return agent


def connected(agent):
    agent.start()
    agent.process.wait_log("agent: started", 30)
    wait_for(lambda: agent.status().get("link", {}).get("state") == "up", 60, f"{agent.device} is connected", agent.process.log)
    return agent


def own_series(org, port):
    """How many series this machine gives without synthetic ones: of the machine, and of the five probes."""
    say("counting this machine's own series")
    agent = configured(org, "perf", "count", profile(port, 0))
    agent.start()

    def seen():
        return [item["name"] for item in org.api("GET", f"/devices/{agent.device}/series")["items"]]
    wait_for(seen, 120, "the first series arrive", agent.process.log)
    wait_for_steady(lambda: len(seen()))
    agent.stop()
    probes = sum(name.startswith("probe_") for name in seen())
    host = len(seen()) - probes
    say(f"{host} of the machine, {probes} of the probes")
    return host, probes


def filled(port, own):
    return profile(port, max(0, SERIES - sum(own)))


def first_window(org, processes, port):
    peers.allow_collectd(org)
    org.start()
    org.tool("site", "add", "Perf")
    own = own_series(org, port)
    agent = connected(configured(org, "perf", "one", filled(port, own)))
    collectd = peers.start_collectd(org, processes, org.folder.parent / "collectd", port)
    exporter = peers.start_node_exporter(processes)
    time.sleep(SETTLE_S)
    one = Watched("agent", agent.process, agent.folder / "state" / "spool.db")
    others = {}
    if collectd is not None:
        others["collectd"] = Watched("collectd", collectd)
    if exporter is not None:
        others["node_exporter"] = Watched(f"node_exporter ({exporter.samples} series)", exporter.process)
    watch([one, *others.values()], WINDOW_S)
    assert agent.status()["link"]["state"] == "up", "the link broke: no figure"
    if exporter is not None:
        exporter.stop()
    agent.stop()
    values = {"agent_rss_mib": one.rss, "agent_pss_mib": one.pss, "agent_cpu_s_per_hour": one.cpu_h,
              "disk_written_mb_per_day": one.mb_day}
    for name, other in others.items():
        values[f"agent_cpu_over_{name}"] = one.cpu_h / other.cpu_h
        values[f"agent_rss_over_{name}"] = one.rss / other.rss
    return values


def second_window(org, _, port):
    org.start()
    org.tool("site", "add", "Perf")
    own = own_series(org, port)
    grouped = configured(org, "perf", "card", filled(port, own) + GROUPED)
    fast = configured(org, "perf", "fast", FAST.replace("@SYNTHETIC@", str(FAST_SERIES - own[0])))
    connected(grouped)
    connected(fast)
    time.sleep(SETTLE_S)
    card, second = Watched("agent, grouped", grouped.process), Watched("agent, 1,000 series a second", fast.process)
    watch([card, second], GROUP_WINDOW_S)
    for agent in (grouped, fast):
        assert agent.status()["link"]["state"] == "up", "the link broke: no figure"
        agent.stop()
    return {"disk_written_grouped_mb_per_day": card.mb_day, "agent_1s_cpu_s_per_hour": second.cpu_h,
            "agent_1s_rss_mib": second.rss}


def in_organisation(window):
    target = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
    threading.Thread(target=target.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder:
        processes = Processes(Path(folder))
        try:
            return window(Organisation(Path(folder), processes), processes, target.server_address[1])
        finally:
            processes.end_all()
            target.shutdown()


# ---- alone ----

def first_sample_boot_ms(spool):
    """Of the host stream, on the disk; None: none yet."""
    if not spool.exists():
        return None
    try:
        with contextlib.closing(sqlite3.connect(f"file:{spool}?mode=ro", uri=True)) as db:
            return db.execute("SELECT min(boot_ms) FROM open WHERE stream=3").fetchone()[0]
    except sqlite3.OperationalError:
        return None  # it is being made


def one_start(agent):
    """From the start of the process to its first sample, once that is on the disk."""
    spool = agent.folder / "state" / "spool.db"
    began = time.clock_gettime(time.CLOCK_BOOTTIME) * 1000
    agent.start()
    at = wait_for(lambda: first_sample_boot_ms(spool), 30, "the first sample is on the disk", agent.process.log)
    agent.kill()
    return at - began


def starts(org, *_):
    """First starts without a link: with one, what is open is cut at once, and nobody could look at it."""
    org.start()
    org.tool("site", "add", "Perf")
    agents = [org.add_agent("perf", f"start {n}") for n in range(STARTS)]
    org.broker.stop()
    took = sorted(one_start(agent) for agent in agents)
    say(f"start to first sample: {took[0]:.0f} to {took[-1]:.0f} ms, {STARTS} times; load {os.getloadavg()[0]:.1f}")
    return {"start_to_first_sample_ms": statistics.median(took)}


def binary_kb():
    with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder:
        stripped = Path(folder) / "agent"
        subprocess.run(["strip", "-o", stripped, program("branchline-agent")], check=True)
        return stripped.stat().st_size / 1000


def no_openssl():
    linked = subprocess.run(["ldd", program("branchline-agent")], capture_output=True, text=True, check=True).stdout
    assert "libssl" not in linked and "libcrypto" not in linked, linked


def measure(names):
    values = {}
    if any(name in FIRST for name in names):
        values.update(in_organisation(first_window))
    if any(name in SECOND for name in names):
        values.update(in_organisation(second_window))
    if "start_to_first_sample_ms" in names:
        values.update(in_organisation(starts))
    if "agent_binary_kb" in names:
        no_openssl()
        values["agent_binary_kb"] = binary_kb()
    return values
