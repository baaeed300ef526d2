"""The broker is killed and started again under a thousand agents: the real programs, their own certificates.

Back is an agent whose birth, which follows the answer to its hello, is in the store: the collector has to come
back first. Attempts are its own count of connections tried, until one held. Counted from the moment at which the
broker listens again; all of it on this machine, so the agents' half of every handshake is in it, too.
"""

import os
import re
import sqlite3
import tempfile
import time
from pathlib import Path

from lanes import QUIET, cpu_s, quantile, say
from support.org import Organisation
from support.process import Processes
from support.wait import wait_for

FIGURES = {"herd_1000_back_s": "s", "herd_attempts_p99": ""}

AGENTS = int(os.environ.get("BL_PERF_HERD_AGENTS", "1000"))
DOWN_S = float(os.environ.get("BL_PERF_HERD_DOWN_S", "0"))  # how long the broker is away
CALM_S = 60  # afterwards: no second wave
LIMIT_S = 600
MEMORY = Path("/dev/shm")
CONFIG = "interval: 60s" + QUIET + "inlets:\n  steps: { enabled: false }\n"


def measure(names):
    with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder, tempfile.TemporaryDirectory(
            prefix="bl-perf-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as agents:
        processes = Processes(Path(folder))
        try:
            return session(Organisation(Path(folder), processes), Path(agents))
        finally:
            processes.end_all()


def births(db):
    """device -> how many connections its last birth told of."""
    return dict(db.execute("SELECT name, connections FROM device WHERE presence = 1"))


def attempts(agent):
    """Its count at each connection, in order."""
    return [int(n) for n in re.findall(r" link: connected .*attempts=(\d+)", agent.process.log())]


def session(org, folder):
    org.start()
    org.tool("site", "add", "Herd")
    say(f"making {AGENTS} agents")
    agents = [org.add_agent("herd", f"agent {i}", config=CONFIG, folder=folder / f"agent-{i}") for i in range(AGENTS)]
    db = sqlite3.connect(f"file:{org.folder / 'collector' / 'telemetry.db'}?mode=ro", uri=True, timeout=30)
    say("starting them")
    for agent in agents:
        agent.start()
    wait_for(lambda: len(births(db)) == AGENTS, LIMIT_S, "all agents are welcome")
    before = births(db)
    first = [attempts(agent)[-1] for agent in agents]
    say(f"the broker is gone for {DOWN_S:g} s")
    org.broker.kill()
    time.sleep(DOWN_S)
    org.start_broker()
    began, cpu = time.monotonic(), cpu_s(org.collector.pid)
    back, told = 0, 0
    while back < AGENTS:
        now = births(db)
        back = sum(now.get(name, 0) > count for name, count in before.items())
        if time.monotonic() - began >= told:
            told += 5
            say(f"{time.monotonic() - began:.0f} s: {back} are back")
        assert time.monotonic() - began < LIMIT_S, "they do not come back"
        time.sleep(0.1)
    took = time.monotonic() - began
    cpu, broker = cpu_s(org.collector.pid) - cpu, cpu_s(org.broker.pid)
    tries = [attempts(agent)[-1] - n for agent, n in zip(agents, first)]
    logged = org.broker.log().count("New client connected")
    time.sleep(CALM_S)
    wave = org.broker.log().count("New client connected") - logged
    say(f"back in {took:.1f} s; attempts: median {quantile(tries, 0.5)}, p99 {quantile(tries, 0.99)}, largest {max(tries)};"
        f" broker {broker:.1f} s and collector {cpu:.1f} s of CPU; {wave} connections in the {CALM_S} s behind it")
    return {"herd_1000_back_s": took, "herd_attempts_p99": quantile(tries, 0.99)} if wave == 0 else {}
