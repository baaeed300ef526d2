"""The loss ledger end to end: rows are deleted by hand from the spools of real agents, and the centre
says "unexplained: 1" until there is a real explanation. Nothing whitewashes them: an agent that is
asked about a batch that it accepted and does not have says "vanished", never a reason of policy.
"""

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timezone

from support.oracle import Spool, Store, load
from support.wait import wait_for
from test_main_job import publish, vector

EVENTS, PROBES, HOST = 1, 2, 3
RUNS = 4  # each stop cuts what is open: a batch of every stream


@dataclass
class Case:
    gaps: int
    batches: int
    rows: list = field(default_factory=list)  # (stream, seq) of table batch
    open_rows: int = 0
    running: bool = False  # the agent runs while they are deleted
    kept: list = field(default_factory=list)  # the rows, as somebody's backup has them


CASES = {
    "whole": Case(0, 0),
    "middle": Case(1, 1, [(HOST, 3)], running=True),
    "oldest": Case(1, 1, [(HOST, 1)]),
    "newest": Case(1, 1, [(HOST, RUNS)], running=True),
    "probes": Case(1, 1, [(PROBES, 2)]),
    "events": Case(1, 1, [(EVENTS, 2)], running=True),
    "beside": Case(1, 2, [(HOST, 2), (HOST, 3)]),
    "apart": Case(2, 2, [(HOST, 2), (HOST, 4)]),
    "open": Case(1, 0, open_rows=1),
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
        case.kept += read(agent, "SELECT * FROM batch WHERE id = ?", batch_id(stream, seq))
        assert change(agent, "DELETE FROM batch WHERE id = ? AND offered = 0", batch_id(stream, seq)) == 1
    if case.open_rows:
        wait_open(agent, case)
        assert change(agent, "DELETE FROM open WHERE n IN (SELECT n FROM open WHERE stream = 3"
                      " ORDER BY n LIMIT ?)", case.open_rows) == case.open_rows


def found(org, agent):
    answer = org.api("GET", f"/gaps?device={agent.device}&limit=1000")
    return answer["unexplained"], answer["unexplained_batches"]


def unexplained(org):
    answer = org.api("GET", "/gaps")
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
    # An entry and the batch that shows the hole may travel apart: until both are there it counts.
    want = (sum(c.gaps for c in CASES.values()), sum(c.batches for c in CASES.values()))
    wait_for(lambda: unexplained(org) == want, 60, f"{want[0]} gaps of {want[1]} batches in all",
             lambda: f"{unexplained(org)}\n{org.collector.log()}")
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
        wait_for(lambda: found(org, agents[name]) == (case.gaps, case.batches), 60, f"{name}: it stays",
                 lambda: f"{found(org, agents[name])}\n{agents[name].process.log()}{org.collector.log()}")
    said_by_the_tool(org)
    # A real explanation: somebody had the row in a backup, and it comes after all.
    middle = agents["middle"]
    middle.stop()
    row = CASES["middle"].kept[0]
    change(middle, f"INSERT INTO batch VALUES ({','.join('?' * len(row))})", *row)
    middle.start()
    wait_for(lambda: found(org, middle) == (0, 0), 60, "what came after all is no gap",
             lambda: middle.process.log() + org.collector.log())
    assert told(org, middle) == {"off"}
    assert Store(org).repeated_batches() == 0


def utc(unix_ms):
    return datetime.fromtimestamp(unix_ms // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + f".{unix_ms % 1000:03d}Z"


def said_by_the_tool(org):
    gaps = sum(c.gaps for c in CASES.values())
    done = wait_for(lambda: (d := org.tool("ledger", check=False)) and f"unexplained gaps: {gaps} (" in d.stdout and d, 60,
                    f"the tool tells of {gaps} gaps", lambda: org.tool("ledger", check=False).stdout)
    assert done.returncode == 3 and f"unexplained gaps: {gaps} (" in done.stdout, done.stdout + done.stderr
    assert done.stdout.count("knows no reason") == gaps - 1 and "vanished before they were cut" in done.stdout
    one = org.tool("ledger", "--device", "apart", "--json", check=False)
    answer = json.loads(one.stdout)
    assert answer["unexplained"]["gaps"] == 2 and {d["device"] for d in answer["devices"]} == {"apart"}
    assert [(i["stream"], i["what"], i["seq_first"]) for i in answer["items"]] == [
        ("host", "vanished", 2), ("host", "vanished", 4)]
    # Of what vanished only its numbers are known, and what lies around it: told as the board tells it.
    entries = {e["seq_first"]: e for e in org.api("GET", "/gaps?device=apart&limit=1000")["items"] if e["reason"] == "vanished"}
    assert {e["seq_first"] for e in answer["untimed"]} == {2, 4} == set(entries)
    text = org.tool("ledger", "--device", "apart", check=False).stdout
    for seq, entry in entries.items():
        assert entry["from_unix_ms"] is None and entry["not_before_unix_ms"] < entry["not_after_unix_ms"]
        bounds = f"not before {utc(entry['not_before_unix_ms'])} to not after {utc(entry['not_after_unix_ms'])}"
        assert f"  apart host vanished batch {seq}, {bounds}\n" in text
    well = org.tool("ledger", "--device", "whole")
    assert "not known" not in well.stdout
    assert well.stdout.startswith("unexplained gaps: 0\n") and "off" in well.stdout
    assert org.api("GET", "/status")["unexplained"] == gaps


def test_what_was_set_aside_is_stored_once_when_it_is_understood(organisation, tmp_path):
    """The control database is put back to a copy from before a device was added, and forth again."""
    org = organisation
    control = org.folder / "collector"

    def swap(save: str, load: str):
        org.collector.stop()
        for place, files in ((tmp_path / save, control.glob("control.db*")),):
            place.mkdir()
            for file in list(files):
                shutil.move(file, place)
        for file in (tmp_path / load).glob("control.db*") if load else ():
            shutil.copy2(file, control)
        org.start_collector()

    org.tool("site", "add", "North")
    org.collector.stop()
    (tmp_path / "before").mkdir()
    for file in control.glob("control.db*"):
        shutil.copy2(file, tmp_path / "before")
    org.start_collector()
    late = org.add_agent("north", "late", device="late")
    part = org.api("GET", f"/devices/{late.device}")["part"]
    swap("after", "before")
    for _ in range(3):
        publish(org, late.folder, f"bl/1/up/{part:02d}/late/live", vector("batch-all"))

    def listed():
        return [i for i in org.api("GET", "/set-aside")["items"] if i["device"] == "late"]

    wait_for(lambda: [(i["reason"], i["repeats"]) for i in listed()] == [("unknown_device", 2)], 20,
             "kept once, counted three times", org.collector.log)
    assert org.tool("requeue", "--dry-run").stdout == "would try 1\n"
    assert "kept 1" in org.tool("requeue").stdout.splitlines()
    assert listed()[0]["tried_unix_ms"] is not None and listed()[0]["reason"] == "unknown_device"
    swap("without", "after")
    assert org.tool("requeue", "--reason", "conflict").stdout.splitlines()[0] == "tried 0"
    assert "taken 1" in org.tool("requeue", str(listed()[0]["id"])).stdout.splitlines()
    assert listed() == [] and org.api("GET", "/status")["requeued"] == 1
    assert len(batches(org, "late")) == 1
    # Again changes nothing, and what is offered again is known.
    assert org.tool("requeue").stdout.splitlines()[0] == "tried 0"
    publish(org, late.folder, f"bl/1/up/{part:02d}/late/live", vector("batch-all"))
    wait_for(lambda: batches(org, "late", "duplicates FROM total WHERE 1 OR ?") == [(1,)], 20,
             "the same batch is a duplicate", org.collector.log)
    assert len(batches(org, "late")) == 1
    with closing(sqlite3.connect(f"file:{control / 'control.db'}?mode=ro", uri=True)) as db:
        said = db.execute("SELECT actor, count(*) FROM audit WHERE action = 'set_aside.requeue' GROUP BY actor").fetchall()
    assert said == [("local administrator", 3)]


def batches(org, device, what="b.seq FROM batch b JOIN device d ON d.id = b.device_id WHERE d.name = ?"):
    with closing(sqlite3.connect(f"file:{org.folder / 'collector' / 'telemetry.db'}?mode=ro", uri=True)) as db:
        return db.execute(f"SELECT {what}", (device,)).fetchall()


def test_no_comfort_for_a_device_that_is_not_there(organisation):
    organisation.tool("site", "add", "North")
    organisation.tool("device", "add", "north", "till 1", "--id", "north-till-1")
    assert organisation.tool("ledger", "--device", "north-till-1").stdout == "unexplained gaps: 0\n"
    for wrong, word in (("north-till-l", "north-till-l"), ("", "is not a device id"), ("../sites", "is not a device id")):
        done = organisation.tool("ledger", "--device", wrong, check=False)
        assert done.returncode == 1 and done.stdout == "" and word in done.stderr, done.stdout + done.stderr
