"""What thousands of agents cost and get: the simulator (fleet/) against a real broker and the collector.

Three runs, each with an organisation of its own: ten thousand agents live; a thousand live, for the collector's
memory and the bytes on the link; a thousand that come back with a day each. After each the store is held against what
was sent, totals of all and every value of some; a difference gives no figure.
"""

import http.client
import os
import re
import socket
import tempfile
import threading
import time
from pathlib import Path

from lanes import cpu_s, rss_mib, say
from support.fleet import Fleet
from support.org import Organisation
from support.process import Processes

HELD = ("agents_held", "receipt_p99_ms")
LIVE = ("collector_rss_1000_agents_mib", "link_bytes_per_sample")
RETURN = ("return_1000_live_lag_p99_s", "return_1000_rss_mib", "return_1000_drain_s")
FIGURES = {"agents_held": "", "receipt_p99_ms": "ms", "collector_rss_1000_agents_mib": "MiB",
           "link_bytes_per_sample": "bytes", "return_1000_live_lag_p99_s": "s", "return_1000_rss_mib": "MiB",
           "return_1000_drain_s": "s"}

AGENTS = int(os.environ.get("BL_PERF_FLEET_AGENTS", "10000"))
LIVE_AGENTS = int(os.environ.get("BL_PERF_FLEET_LIVE_AGENTS", "1000"))
MEASURE_S = int(os.environ.get("BL_PERF_FLEET_MEASURE_S", "180"))
# An agent reports on itself every five minutes: a shorter window has that message once or not at all.
LIVE_MEASURE_S = int(os.environ.get("BL_PERF_FLEET_MEASURE_S", "300"))
RETURN_HOURS = int(os.environ.get("BL_PERF_FLEET_HOURS", "24"))
VARIANTS = 50  # different backlogs: making a thousand takes minutes
WRONG = ("unsettled", "refused", "bad_messages", "dropped", "aside", "foreign", "gone")


class Looks(threading.Thread):
    """The largest resident size of a process while something goes on, and the CPU time of two."""

    def __init__(self, org):
        super().__init__(daemon=True)
        self.pid, self.broker = org.collector.pid, org.broker.pid
        self.done, self.largest = threading.Event(), 0.0
        self.cpu = cpu_s(self.pid), cpu_s(self.broker)

    def run(self):
        while not self.done.wait(1):
            self.largest = max(self.largest, resident_mib(self.pid))

    def stop(self):
        self.done.set()
        self.join()
        self.cpu = tuple(cpu_s(pid) - before for pid, before in zip((self.pid, self.broker), self.cpu))
        return self


def resident_mib(pid):
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


class Pours(Looks):
    """The same from before the first agent connects, with what the collector says that it took meanwhile."""

    def __init__(self, org):
        self.org, self.began = org, time.monotonic()
        self.took = counters(org)
        super().__init__(org)

    def stop(self):
        super().stop()
        self.wall_s = time.monotonic() - self.began
        self.took = {name: value - self.took[name] for name, value in counters(self.org).items()}
        return self


def counters(org):
    """branchline_ingest_NAME_total of the collector's /metrics."""
    connection = http.client.HTTPConnection("localhost", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.sock.connect(str(org.folder / "collector" / "admin.sock"))
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    return {name: float(value)
            for name, value in re.findall(r"^branchline_ingest_(\w+)_total ([0-9.e+]+)$", text, re.M)}


def session(agents, limit_s, *options, settings="", pours=False):
    """(figures, looks, largest resident size ever in MiB), or None when what was sent is not there.

    The looks span the window; with pours all from the first connection to the last receipt of the backlogs.
    """
    with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder:
        processes = Processes(Path(folder))
        try:
            org = Organisation(Path(folder), processes, settings=settings).start()
            say(f"registering {agents} devices")
            fleet = Fleet(org, agents, sites=max(1, agents // 50))
            # The figure is of a collector that serves agents, not of one that registered them.
            org.collector.stop()
            org.start_collector()
            say("starting them")
            looks = Pours(org) if pours else None
            fleet.start("--limit", limit_s, *options)
            fleet.process.wait_log("phase measure", limit_s)
            looks = looks or Looks(org)
            looks.start()
            fleet.process.wait_log("phase drain", limit_s)
            looks.stop()
            seen = fleet.wait(limit_s)
            found = fleet.check()
            tell(agents, seen, found, looks)
            wrong = [name for name in WRONG if seen[name] != 0]
            if wrong or found["check_wrong_agents"] or found["check_samples"] < seen["settled_samples"]:
                say(f"no figure: {wrong} {found}")
                return None
            return seen, looks, rss_mib(org.collector.pid)
        finally:
            processes.end_all()


def tell(agents, seen, found, looks):
    say(f"{agents} agents connected in {seen['connect_s']:.0f} s; {seen['window_batches']:.0f} batches in"
        f" {seen['measured_s']:.0f} s, receipt p50 {seen['receipt_p50_ms']:.0f} p90 {seen['receipt_p90_ms']:.0f} p99"
        f" {seen['receipt_p99_ms']:.0f} largest {seen['receipt_max_ms']:.0f} ms, {seen['offered_again']:.0f} offered"
        f" again, {seen['lost']:.0f} connections lost; collector {looks.largest:.0f} MiB and {looks.cpu[0]:.1f} s of CPU, broker {looks.cpu[1]:.1f} s,"
        f" simulator late by p99 {seen['loop_lag_p99_ms']:.0f} ms; {found['check_samples']:.0f} samples in the store,"
        f" {found['check_values']:.0f} of them compared")


def held():
    got = session(AGENTS, 1800, "--measure", MEASURE_S, "--connects", "100")
    if got is None:
        return {}
    return {"agents_held": got[0]["held"], "receipt_p99_ms": got[0]["receipt_p99_ms"]}


def live():
    got = session(LIVE_AGENTS, 900, "--measure", LIVE_MEASURE_S, "--connects", "50")
    if got is None or got[0]["held"] < LIVE_AGENTS:
        return {}
    return {"collector_rss_1000_agents_mib": got[1].largest, "link_bytes_per_sample": got[0]["link_bytes_per_sample"]}


def returning():
    got = session(LIVE_AGENTS, 1800, "--measure", "120", "--backlog", RETURN_HOURS,
                  "--variants", VARIANTS)
    if got is None:
        return {}
    return {"return_1000_live_lag_p99_s": got[0]["receipt_p99_ms"] / 1000, "return_1000_rss_mib": got[2],
            "return_1000_drain_s": got[0]["past_s"]}


def measure(names):
    values = {}
    for figures, run in ((HELD, held), (LIVE, live), (RETURN, returning)):
        if any(name in names for name in figures):
            values |= run()
    return values
