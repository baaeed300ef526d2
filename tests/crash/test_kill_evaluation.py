"""kill -9 of the collector anywhere between evaluation, outbox and delivery, while orders run over
their limit and end: no incident twice, no message lost, none twice where the receiver honours the id.

Many short cases: each is late, is paged, ends, and its end is told. What must be there follows from
what the agent was told (its answers "ok" came after the commit), not from what the collector says.
At the end a second collector works the same telemetry store out from nothing: the same incidents.
"""

import os
import random
import shutil
import sqlite3
import threading
import time
from contextlib import closing

import pytest

from support.centre import Centre
from support.oracle import silence
from support.seed import chance_seed
from support.wait import wait_for

KILLS = 200 if os.environ.get("BL_LONG") else 20
LIMIT_MS = 1000
# A limit that is over at once, told by a webhook and by mail.
DEFINITIONS = {
    "processes": [{"id": "order", "name": "Order"}],
    "kpis": [{"id": "late-share", "name": "Late", "source": "case", "process": "order", "function": "share",
              "condition": "value > 2s", "resolution": "1m"}],
    "rules": [{"id": "late", "name": "Late", "kind": "case_open", "process": "order", "limit_ms": LIMIT_MS,
               "channels": ["ops", "hook"]}],
}


@pytest.fixture
def centre(tmp_path, pki):
    made = Centre(tmp_path, pki, settings="notice: { digest_quiet: 2s, digest_max: 10s }\n")
    made.mail.start()
    yield made
    made.close()


class Orders(threading.Thread):
    """Cases that run over their limit, one begun every half second; until stop(). Most end within
    seconds, so that nobody knew of them while they were late; every fourth lasts long enough to be paged."""

    def __init__(self, agent):
        super().__init__(daemon=True)
        self.agent, self.ended, self._stop_now = agent, [], threading.Event()
        self.failure = None

    def run(self):
        running, n = [], 0
        try:
            while not self._stop_now.wait(0.5):
                begun = time.monotonic()
                self.agent.step("begin", "--step", "pick", "--case", f"c-{n}", "--process", "order")
                running.append((begun + (70 if n % 4 == 0 else 3), f"c-{n}"))
                n += 1
                for due in [r for r in running if r[0] <= time.monotonic()]:
                    running.remove(due)
                    self._end(due[1])
            for due, case in running:  # late, every one of them
                wait_for(lambda: time.monotonic() >= min(due, begun + 3), 10)
                self._end(case)
        except AssertionError as failure:
            self.failure = failure

    def _end(self, case):
        self.agent.step("end", "--step", "pick", "--case", case, "--process", "order", "status=done")
        self.ended.append(case)

    def stop(self):
        self._stop_now.set()
        self.join(600)
        assert self.failure is None, self.failure
        assert not self.is_alive()


def control(org, sql):
    with closing(sqlite3.connect(f"file:{org.folder / 'collector' / 'control.db'}?mode=ro", uri=True,
                                 timeout=10)) as db:
        return db.execute(sql).fetchall()


INCIDENTS = ("SELECT rule, site, subject, begin_unix_ms, end_unix_ms, explanation FROM incident"
             " WHERE state NOT IN ('withdrawn', 'merged') ORDER BY 1, 2, 3, 4")
RESULTS = (
    INCIDENTS,
    "SELECT site, process, case_id, begin_unix_ms, end_unix_ms, status, attrs, events FROM case_head ORDER BY 1, 2, 3",
    "SELECT kpi, window, site, begin_unix_ms, device, covered_ms, hex(data) FROM kpi_part ORDER BY 1, 2, 3, 4, 5",
    "SELECT kpi, window, site, begin_unix_ms, value, n, completeness, ready FROM kpi_cell ORDER BY 1, 2, 3, 4",
)


def caught_up(org):
    """Everything that is stored has been taken in and worked out."""
    with closing(sqlite3.connect(f"file:{org.folder / 'collector' / 'telemetry.db'}?mode=ro", uri=True,
                                 timeout=10)) as db:
        (newest,) = db.execute("SELECT coalesce(max(id), 0) FROM batch").fetchone()
    return control(org, "SELECT batch_id, (SELECT count(*) FROM eval_dirty), (SELECT count(*) FROM eval_waiting),"
                        " (SELECT count(*) FROM eval_redo) FROM eval") == [(newest, 0, 0, 0)]


def test_kill_9_of_the_collector_doubles_no_incident_and_loses_no_message(centre, record_property):
    seed = chance_seed()
    print(f"seed {seed} (BL_SEED repeats it)")
    record_property("seed", seed)
    rng = random.Random(seed)
    org = centre.org
    org.tool("site", "add", "Crash")
    org.define(**DEFINITIONS)
    agent = org.add_agent("crash", "till", config=silence()).start()
    wait_for(lambda: org.api("GET", "/overview")["sites"][0]["state"] == "up", 60, "the agent is up", agent.process.log)
    orders = Orders(agent)
    orders.start()
    try:
        for _ in range(KILLS):
            # A random moment of its life: right after its start, or in the middle of its work.
            until = time.monotonic() + rng.choice((0, 0.05, 0.3, 1, 3)) * rng.random()
            wait_for(lambda: time.monotonic() >= until, 10)
            # Every third time while the receiver has it and we do not know yet.
            if rng.random() < 0.33:
                seen = len(centre.hook.calls) + centre.mail.tries
                end = time.monotonic() + 2
                wait_for(lambda: len(centre.hook.calls) + centre.mail.tries > seen or time.monotonic() > end, 10)
            org.collector.kill()
            org.start_collector()
    finally:
        orders.stop()
    expected = {f"order/{case}" for case in orders.ended}

    def all_ended():
        return {row[2] for row in control(org, INCIDENTS) if row[4] is not None} == expected
    wait_for(all_ended, 180, "every case is an incident that ended", org.collector.log)
    wait_for(lambda: caught_up(org) and control(org, "SELECT count(*) FROM digest_item") == [(0,)]
             and control(org, "SELECT count(*) FROM outbox WHERE state <> 'sent'") == [(0,)],
             120, "everything is told", lambda: f"{control(org, 'SELECT key, state, answer FROM outbox')[-20:]}")

    # No incident twice, and as long as the case itself says.
    incidents = control(org, INCIDENTS)
    assert len(incidents) == len(expected) > 20
    cases = {c[2]: c for c in control(org, RESULTS[1])}
    for _, _, subject, begin, end, _ in incidents:
        case = cases[subject.split("/")[1]]
        assert (begin, end) == (case[3] + LIMIT_MS, case[4])
    # Each was told: paged and its end, or in a digest; and by both channels.
    paged = {row[0] for row in control(org, "SELECT subject FROM incident WHERE notice = 1")}
    in_digest = {row[0] for row in control(org, "SELECT subject FROM incident WHERE notice = 2")}
    assert paged and paged | in_digest == expected and not paged & in_digest
    wanted = sorted((kind, subject) for subject in paged for kind in ("page", "ended"))
    told = [(e["type"].split(".")[1], e["data"]["incident"]["subject"]) for e in centre.hook.effects.values()
            if "incident" in e["data"]]
    assert sorted(told) == wanted, "by id, each once"
    digested = [i["subject"] for e in centre.hook.effects.values() if e["type"] == "incident.digest"
                for i in e["data"]["incidents"]]
    assert sorted(digested) == sorted(in_digest)
    assert all(call.good for call in centre.hook.calls)
    by_id = {letter.id: letter for letter in centre.mail.letters}
    for kind in ("page", "ended"):
        assert len([x for x in by_id.values() if x.kind == kind]) == len(paged)
    repeated = len(centre.hook.calls) - len(centre.hook.effects) + len(centre.mail.letters) - len(by_id)
    print(f"{KILLS} kills, {len(expected)} incidents, {len(paged)} of them paged, {repeated} messages repeated under their id")
    agent.stop()
    same_from_nothing(org)


def same_from_nothing(org):
    """A collector that has never been killed, from the same telemetry store and definitions."""
    wait_for(lambda: caught_up(org), 60, "the evaluator is done", org.collector.log)
    org.collector.stop()
    before = [control(org, sql) for sql in RESULTS]
    path = org.folder / "collector" / "control.db"
    shutil.copy2(path, path.with_suffix(".killed"))
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA foreign_keys = OFF")
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        evaluated = [t for t in tables if t.split("_")[0] in ("case", "rule", "incident", "digest", "notice", "outbox")
                     or t in ("kpi_part", "kpi_cell", "kpi_revision") or t.startswith("eval_")]
        for table in evaluated:
            db.execute(f"DELETE FROM {table}")
        db.execute("UPDATE eval SET batch_id = 0, gap_id = 0, moved_id = 0, lsn = 0, definitions = 0,"
                   " fleet_unix_ms = 0, quiet = 0, epoch = NULL")
        db.commit()
    org.start_collector()
    wait_for(lambda: caught_up(org) and len(control(org, INCIDENTS)) >= len(before[0]), 60,
             "everything is worked out anew", org.collector.log)
    for sql, was in zip(RESULTS, before):
        assert control(org, sql) == was
