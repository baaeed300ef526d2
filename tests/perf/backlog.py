"""One agent that comes back after a week behind 256 kbit/s and 300 ms: how long its backlog takes, and how
long what is cut meanwhile is under way. Steps are reported all the time, as at a branch that works.
"""

import os
import tempfile
import threading
import time
from pathlib import Path

from lanes import LOAD, Backlog, Judge, Witness, quantile, rss_mib, say
from support.org import Organisation
from support.process import Processes
from support.proxy import Proxy
from support.steps import Reporter
from support.wait import wait_for

FIGURES = {"backlog_7d_256kbit_drain_min": "min", "backlog_live_p99_s": "s"}

HOURS = float(os.environ.get("BL_PERF_BACKLOG_HOURS", "168"))
RATE = int(os.environ.get("BL_PERF_BACKLOG_BYTES_S", "32000"))  # 256 kbit/s, each direction
ONE_WAY_MS = float(os.environ.get("BL_PERF_BACKLOG_ONE_WAY_MS", "150"))
LIMIT_S = 3 * 3600


class Steps(threading.Thread):
    """Somebody works: a step every 3 s."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.done = path, threading.Event()

    def run(self):
        n = 0
        with Reporter(self.path) as reporter:
            while not self.done.wait(3):
                n += 1
                assert reporter.ask(f"step event c-{n} process=perf id=p-{n} n={n}") == "ok"


def measure(names):
    with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder:
        processes = Processes(Path(folder))
        try:
            return session(Organisation(Path(folder), processes))
        finally:
            processes.end_all()


def session(org):
    witness = Witness(org)
    org.start()
    org.tool("site", "add", "Far")
    proxy = Proxy(org.broker_port, rate_bytes_s=RATE, delay_ms=ONE_WAY_MS)
    try:
        agent = org.add_agent("far", "one", config=LOAD).through(proxy.port)
        backlog = Backlog(agent, HOURS, 200, 1)
        say(f"{backlog.batches} batches, {backlog.bytes / 1e6:.1f} MB: {backlog.bytes / RATE / 60:.1f} min at best")
        witness.start()
        began = time.monotonic()
        agent.start()
        steps = Steps(agent.folder / "state" / "steps.sock")
        wait_for(steps.path.exists, 30, "the agent listens", agent.process.log)
        steps.start()
        judge, seen = Judge(org), None
        while (left := judge.missing([backlog])) > 0:
            minute = int((time.monotonic() - began) / 60)
            if minute != seen:
                seen = minute
                say(f"{minute} min: {left} of {backlog.samples + backlog.events} values left; agent"
                    f" {rss_mib(agent.process.pid):.1f} MiB at most; relayed {proxy.relayed_bytes / 1e6:.1f} MB")
            assert time.monotonic() - began < LIMIT_S, "the backlog does not drain"
            time.sleep(1)
        took = time.monotonic() - began
        lags, unsettled = witness.stop()
        steps.done.set()
        lost, doubled = judge.account([backlog])
        say(f"lost {lost} doubled {doubled}; {len(lags)} live batches, lag median {quantile(lags, 0.5):.2f}"
            f" p90 {quantile(lags, 0.9):.2f} p99 {quantile(lags, 0.99):.2f} largest {max(lags):.2f} s,"
            f" {unsettled} without a receipt when it ended; {proxy.relayed_bytes / took / RATE * 100:.0f} % of the"
            f" link in use; {agent.status()['link'] if 'link' in agent.status() else ''}")
        agent.stop()
    finally:
        proxy.close()
    if lost or doubled:
        return {}
    return {"backlog_7d_256kbit_drain_min": took / 60, "backlog_live_p99_s": quantile(lags, 0.99)}
