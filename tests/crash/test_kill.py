"""kill -9 of agent, broker and collector under load: nothing accepted is lost, nothing stored twice.

What the spool counted as accepted (in the transaction that accepted it) must be in the store at the
end, sample by sample; the values say what is missing or came twice (support/oracle.py). The order of
kills comes from a seed, which is printed.
"""

import os
import random

from support.oracle import Spool, Store, arrive_in_full, check_values, load
from support.wait import wait_for

SERIES = 400
KILLS = 300 if os.environ.get("BL_LONG") else 12
TARGETS = (("agent",), ("broker",), ("collector",), ("agent", "collector"), ("broker", "collector"),
           ("agent", "broker"), ("agent", "broker", "collector"))


def kill_and_start(org, agent, targets):
    for target in targets:
        {"agent": agent, "broker": org.broker, "collector": org.collector}[target].kill()
    if "broker" in targets:
        org.start_broker()
    if "collector" in targets:
        org.start_collector()
    if "agent" in targets:
        agent.start()


def loaded_agent(org):
    org.tool("site", "add", "Crash")
    agent = org.add_agent("crash", "one")
    agent.base = agent.config.read_text() + "\n"
    agent.config.write_text(agent.base + load(SERIES))
    return agent.start()


def test_kill_9_loses_nothing_and_doubles_nothing(organisation, record_property):
    seed = int(os.environ.get("BL_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {seed} (BL_SEED repeats it)")
    record_property("seed", seed)
    rng = random.Random(seed)
    org, agent = organisation, loaded_agent(organisation)
    spool, store = Spool(agent), Store(org)
    for i in range(KILLS):
        accepted, stored = spool.accepted(), store.samples()
        # Under load: something was accepted, and every fourth time something new was stored.
        wait_for(lambda: spool.accepted() >= accepted + rng.choice((1, 2, 3)) * SERIES, 60,
                 "samples are accepted", agent.process.log)
        if i % 4 == 0:
            wait_for(lambda: store.samples() > stored, 120, "samples are stored",
                     lambda: agent.process.log() + org.collector.log())
        kill_and_start(org, agent, rng.choice(TARGETS))
    accepted = spool.accepted()
    arrive_in_full(org, agent, agent.base, timeout_s=180)
    assert accepted > KILLS * SERIES
    assert check_values(store, agent.device) > KILLS * SERIES
    assert org.api("GET", "/gaps")["unexplained"] == 0
