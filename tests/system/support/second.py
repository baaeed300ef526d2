"""The second opinion on delivery: the judge of `branchline torture`, which has a decoder and a way of
counting of its own. It takes in everything that an agent says, its own series and events, too.
"""

import sys

from .builds import SOURCE
from .oracle import Store


def second_opinion(org, agents, loads, record_property):
    """Ends the agents. Whoever calls it has waited until everything arrived (oracle.arrived_in_full)."""
    folder = str(SOURCE / "provisioning" / "torture")
    if folder not in sys.path:
        sys.path.append(folder)
    import judge
    import spool
    import store

    claims = []
    for agent, load in zip(agents, loads):
        agent.stop()
        counts = spool.counts(agent.spool())
        claims.append(judge.Claim(agent.device, counts.accepted, counts.uncut, spool.undelivered(agent.spool()),
                                  told=load.accepted))
    stored = store.read(Store(org).path)
    verdict = judge.judge(claims=claims, stored=stored, census={}, set_back=set(),
                          unexplained=org.api("GET", "/gaps")["unexplained"], ledger_entries=len(stored.gaps))
    print(f"the second opinion: {verdict.line()}")
    record_property("second opinion", verdict.line())
    assert verdict.holds(), verdict.complaints
