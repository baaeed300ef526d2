"""For what an open case over its limit waits, at a site of many devices and rules."""

import contextlib
import os
import sqlite3

import pytest

from api_process import Server, evaluated

M = 60000


@pytest.fixture
def server(tmp_path):
    s = Server(tmp_path)
    for site in ("west", "depot"):
        s.admin.ok("POST", "/sites", {"id": site, "name": site})
    s.admin.ok("POST", "/devices", {"id": "west-till", "name": "Till", "site": "west"})
    s.order("seed", "west-till")
    s.base = evaluated(s, "west", "west-till", "depot")
    yield s
    s.stop()


def copied(db, table, where, **changes):
    """A row more, like the one that is there; its number."""
    db.row_factory = sqlite3.Row
    row = {**db.execute(f"SELECT * FROM {table} WHERE {where} LIMIT 1").fetchone(), **changes}
    db.row_factory = None
    marks = ",".join("?" * len(row))
    return db.execute(f"INSERT INTO {table} ({','.join(row)}) VALUES ({marks})", list(row.values())).lastrowid


def add_device(control, telemetry, name, begin, end):
    """One whose events are known from begin to end, in the databases as if they had come."""
    control.execute("INSERT INTO device VALUES (?, ?, 'west', 3, 0, ?, 0, 1, NULL, NULL, NULL)", (name, name, begin))
    of, ahead = telemetry.execute(
        "SELECT spool_id, begin_unix_ms - begin_ms FROM coverage WHERE begin_unix_ms IS NOT NULL").fetchone()
    device = telemetry.execute("INSERT INTO device (name) VALUES (?)", (name,)).lastrowid
    spool = copied(telemetry, "spool", f"id = {of}", id=None, uuid=os.urandom(16), device_id=device)
    copied(telemetry, "stream", f"spool_id = {of}", spool_id=spool, stream=1, until_unix_ms=end, span_max_ms=end - begin)
    copied(telemetry, "clock_segment", f"spool_id = {of}", spool_id=spool)
    times = {f"{at}_{of}": time - (ahead if of == "ms" else 0)
             for at, time in (("begin", begin), ("end", end), ("lo", begin), ("hi", end)) for of in ("ms", "unix_ms")}
    copied(telemetry, "coverage", "begin_unix_ms IS NOT NULL", id=None, spool_id=spool, device_id=device, stream=1, **times)


def test_a_case_says_what_it_waits_for_at_a_site_of_many(server):
    """200 rules and 300 devices, all of which but one are known up to the deadline; nothing of the till is."""
    base, state = server.base, server.folder / "state"
    control, telemetry = (sqlite3.connect(state / name, timeout=10) for name in ("control.db", "telemetry.db"))
    with contextlib.closing(control), contextlib.closing(telemetry), control, telemetry:
        outcome, = control.execute("SELECT outcome FROM rule_case WHERE rule = 'overdue' AND case_no = 2").fetchone()
        for i in range(200):
            control.execute("INSERT INTO definition VALUES ('rule', ?, 1)", (f"r{i}",))
            control.execute("INSERT INTO rule_case VALUES (?, 2, 'west', ?, ?, 1, 0)", (f"r{i}", base + 9 * M + i, outcome))
        for i in range(300):
            add_device(control, telemetry, f"aa-{i:03}", base, base + (8 if i == 250 else 20) * M)
    waits = server.admin.ok("GET", "/cases/2")["waits"]
    assert [w["rule"] for w in waits] == ["overdue"] + [f"r{i}" for i in range(19)]
    late = {"device": "aa-250", "name": "aa-250", "known_until_unix_ms": base + 8 * M}
    for wait in waits:
        assert [d["device"] for d in wait["devices"]] == ["aa-250", "west-till"] and wait["devices"][0] == late
        assert wait["more"] is False
