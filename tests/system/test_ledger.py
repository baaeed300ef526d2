"""The loss ledger end to end: rows are deleted by hand from the spools of real agents, and the centre
says "unexplained: 1" until there is a real explanation. Nothing whitewashes them: an agent that is
asked about a batch that it accepted and does not have says "vanished", never a reason of policy.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field

from support.oracle import Spool, load
from support.wait import wait_for

EVENTS, PROBES, HOST = 1, 2, 3
RUNS = 5  # each stop cuts what is open: a batch of every stream


@dataclass
class Case:
    gaps: int
    batches: int
    rows: list = field(default_factory=list)  # (stream, seq) of table batch
    open_rows: int = 0
    running: bool = False  # the agent runs while they are deleted


CASES = {
    "whole": Case(0, 0),
    "middle": Case(1, 1, [(HOST, 3)], running=True),
    "oldest": Case(1, 1, [(HOST, 1)]),
    "newest": Case(1, 1, [(HOST, RUNS - 1)], running=True),
    "probes": Case(1, 1, [(PROBES, 2)]),
    "events": Case(1, 1, [(EVENTS, 2)], running=True),
    "beside": Case(1, 2, [(HOST, 2), (HOST, 3)]),
    "apart": Case(2, 2, [(HOST, 2), (HOST, 4)]),
    "streams": Case(2, 2, [(HOST, 2), (PROBES, 3)]),
    "open": Case(1, 0, open_rows=1),
    "open-two": Case(1, 0, open_rows=2, running=True),
}


def change(agent, sql, *args) -> int:
    with closing(sqlite3.connect(agent.spool(), timeout=20)) as db, db:
        return db.execute(sql, args).rowcount


def read(agent, sql, *args):
    with closing(sqlite3.connect(f"file:{agent.spool()}?mode=ro", uri=True, timeout=20)) as db:
        return db.execute(sql, args).fetchall()


def batch_id(stream, seq) -> int:
    return 1 << 50 | stream << 48 | seq


def offline_runs(agents, runs=RUNS):
    """Batches that nobody has offered: the broker is down."""
    for _ in range(runs):
        for agent in agents:
            agent.start()
        for agent in agents:
            spool = Spool(agent)
            before = spool.accepted()
            wait_for(lambda: spool.accepted() >= before + 8, 60, "samples are accepted", agent.process.log)
        for agent in agents:
            assert agent.stop() == 0


def wait_open(agent, case):
    wait_for(lambda: len(read(agent, "SELECT n FROM open WHERE stream = 3")) > case.open_rows, 20,
             "samples wait to be cut", agent.process.log)


def delete(agent, case: Case):
    for stream, seq in case.rows:
        assert change(agent, "DELETE FROM batch WHERE id = ? AND offered = 0", batch_id(stream, seq)) == 1
    if case.open_rows:
        wait_open(agent, case)
        assert change(agent, "DELETE FROM open WHERE n IN (SELECT n FROM open WHERE stream = 3"
                      " ORDER BY n LIMIT ?)", case.open_rows) == case.open_rows


def found(org, agent):
    answer = org.api("GET", f"/gaps?device={agent.device}&limit=1000")
    return answer["unexplained"], answer["unexplained_batches"]


def told(org, agent):
    return {g["reason"] for g in org.api("GET", f"/gaps?device={agent.device}&limit=1000")["items"]}


def organisation_with(organisation, names):
    organisation.tool("site", "add", "North")
    agents = {}
    for name in names:
        agents[name] = organisation.add_agent("north", name, device=name)
        agents[name].config.write_text(agents[name].config.read_text() + "\n" + load(4))
    return agents


def test_what_was_deleted_by_hand_is_counted_and_nothing_else(organisation):
    org = organisation
    agents = organisation_with(org, CASES)
    org.broker.stop()
    offline_runs(agents.values())
    for name, case in CASES.items():
        if not case.running and not case.open_rows:
            delete(agents[name], case)
    for name, agent in agents.items():
        agent.start()
    for name, case in CASES.items():
        if case.open_rows and not case.running:
            wait_open(agents[name], case)
            agents[name].kill()  # an orderly end would cut what is open
            delete(agents[name], case)
            agents[name].start()
        elif case.running:
            delete(agents[name], case)
    org.start_broker()
    for name, case in CASES.items():
        # An entry of the agent's own ledger travels with the next batch of events.
        agents[name].step("begin", "--case", "1", "--step", "picking", "--process", "order")
        if case.rows:
            wait_for(lambda: "vanished" in told(org, agents[name]), 60, f"{name}: vanished",
                     lambda: agents[name].process.log() + org.collector.log())
    agents["events"].step("event", "--case", "1")  # what the batch that vanished had told is told again
    for name, case in CASES.items():
        wait_for(lambda: found(org, agents[name]) == (case.gaps, case.batches), 60,
                 f"{name}: {case.gaps} gaps of {case.batches} batches",
                 lambda: f"{found(org, agents[name])}\n{agents[name].process.log()}{org.collector.log()}")
    for agent in agents.values():  # everything else has arrived
        spool = Spool(agent)
        wait_for(lambda: spool.waiting() == 0, 60, "nothing waits", agent.process.log)
    reasons = {item["reason"] for item in org.api("GET", "/gaps?limit=1000")["items"]}
    assert reasons == {"off", "vanished"}, "no policy took the blame"
    total = org.api("GET", "/gaps")
    assert total["unexplained"] == sum(c.gaps for c in CASES.values())
    assert total["unexplained_batches"] == sum(c.batches for c in CASES.values())
    # It stays when the agent says hello again, and when the collector starts again.
    org.collector.stop()
    for agent in agents.values():
        agent.stop()
        agent.start()
    org.start_collector()
    for agent in agents.values():
        agent.step("end", "--case", "1", "--step", "picking", "--process", "order")
        before = org.api("GET", f"/devices/{agent.device}")
        wait_for(lambda: org.api("GET", f"/devices/{agent.device}") != before, 60, "more arrives",
                 agent.process.log)
    for name, case in CASES.items():
        assert found(org, agents[name]) == (case.gaps, case.batches), name
