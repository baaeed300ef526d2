"""Ten times more than the collector can store: does its memory stay where it is, and is all of it there in the end?

A thousand simulated agents send five hundred batches a second; the collector's disk takes so long for a sync that
a tenth of that gets in. After a minute and a half the disk is an ordinary one again: what was dropped comes again.
"""

import tempfile
import time
from pathlib import Path

from lanes import rss_mib, say
from support.builds import program
from support.fleet import Fleet
from support.org import Organisation
from support.process import Processes, clean_environment

FIGURES = {"overload_10x_rss_mib": "MiB", "overload_10x_growth_mib": "MiB"}

AGENTS = 1000
OFFERED_S = AGENTS * 3 / 6  # batches: three streams, each cut every six seconds
OPTIONS = ("--tick", "1", "--cut", "6", "--connects", "100", "--measure", "100", "--limit", "900")
SYNC_MS = 3500  # a group is 200 messages and one sync
OVERLOAD_S = 90


def measure(names):
    with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder:
        processes = Processes(Path(folder))
        try:
            return session(Organisation(Path(folder), processes).start(), Path(folder) / "slow")
        finally:
            processes.end_all()


def looks(pid, seconds):
    """Its resident size, once a second."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(1)
        yield resident_mib(pid)


def resident_mib(pid):
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def session(org, slow):
    fleet = Fleet(org, AGENTS, sites=20)
    org.collector.stop()
    org.start_collector(env=clean_environment(LD_PRELOAD=str(program("libslow_disk.so")), BL_SLOW_FILE=str(slow)))
    fleet.start(*OPTIONS)
    fleet.process.wait_log("phase measure", 900)
    slow.write_text(str(SYNC_MS), encoding="ascii")
    before, taken = org.api("GET", "/status"), time.monotonic()
    sizes = list(looks(org.collector.pid, OVERLOAD_S))
    after, taken = org.api("GET", "/status"), time.monotonic() - taken
    slow.unlink()
    seen = fleet.wait(900)
    found = fleet.check()
    third = len(sizes) // 3
    growth = max(sizes[-third:]) - max(sizes[third:2 * third])
    got = stored(after) - stored(before)
    say(f"stored {got} batches in {taken:.0f} s of overload; {seen['offered_again']:.0f}"
        f" offered again, {seen['unsettled']:.0f} unsettled; resident {sizes[0]:.0f} at first, {max(sizes):.0f} at most,"
        f" {sizes[-1]:.0f} MiB in the end, {rss_mib(org.collector.pid):.0f} ever; {found}")
    if (why := why_no_figure(got / taken, seen, found)) is not None:
        say(f"no figure: {why}")
        return {}
    return {"overload_10x_rss_mib": max(sizes), "overload_10x_growth_mib": growth}


def why_no_figure(stored_s, seen, found):
    """In words; None: it was overloaded as it should be, and all of it is there."""
    if stored_s > OFFERED_S / 5:
        return f"it stored {stored_s:.0f} of {OFFERED_S:.0f} batches a second, so it was not overloaded"
    if not seen["offered_again"]:
        return "nothing was offered again, so it was not overloaded"
    if seen["unsettled"] or seen["lost"] or found["check_wrong_agents"]:
        return "not all of it is there in the end"
    return None


def stored(status):
    return status["batches"]
