"""One metric over a fleet, asked of a real collector: what agents sent is what is answered, before and after its
hours were packed and after a restart."""

import contextlib
import csv
import http.client
import io
import json
import socket
import sqlite3
import time
import urllib.parse

from support.fleet import Fleet
from support.org import Organisation
from support.wait import wait_for

HOUR = 3600000


def ask(org, resource, **query):
    return org.api("GET", f"/metrics/{resource}?" + urllib.parse.urlencode(query))


def export(org, **query):
    """The rows of an export, over the administrator's socket."""
    connection = http.client.HTTPConnection("localhost", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(org.folder / "collector" / "admin.sock"))
    connection.request("GET", "/api/v1/metrics/export?" + urllib.parse.urlencode(query))
    answer = connection.getresponse()
    assert answer.status == 200
    rows = list(csv.DictReader(io.StringIO(answer.read().decode())))
    connection.close()
    return rows


def latest(org, metric):
    """(unix_ms, value, state) by device, labels."""
    a = ask(org, "latest", metric=metric)
    keys = zip(a["device"], map(json.dumps, a["labels"]))
    return dict(zip(keys, zip(a["unix_ms"], a["value"], a["state"]))), a["complete"]


def of_samples(rows, begin):
    """count, sum, least, greatest of exported samples from begin on."""
    values = [float(r["value"]) for r in rows if int(r["unix_ms"]) >= begin]
    return len(values), sum(values), min(values), max(values)


def check_against_samples(org, rows, begin, end):
    n, total, least, most = of_samples(rows, begin)
    whole = {"metric": "load_l1", "from": begin, "to": end, "step": end - begin, "align": "false"}
    for agg, wanted in (("count", n), ("sum", total), ("avg", total / n), ("min", least), ("max", most)):
        answer = ask(org, "query", agg=agg, **whole)
        value = answer["groups"][0]["value"][0]
        assert abs(value - wanted) <= 1e-9 * abs(wanted), (agg, value, wanted)
    values = sorted(float(r["value"]) for r in rows if int(r["unix_ms"]) >= begin)
    p95 = ask(org, "query", agg="p95", **whole)["groups"][0]["value"][0]
    exact = values[int(0.95 * (n - 1))]
    assert abs(p95 - exact) <= 0.011 * exact
    by_site = ask(org, "query", agg="count", group="site", **whole)
    assert sum(g["value"][0] for g in by_site["groups"] if g["value"][0]) == n
    return n


def parts(org):
    with contextlib.closing(sqlite3.connect(org.folder / "collector" / "telemetry.db", timeout=10)) as store:
        return store.execute("SELECT count(*) FROM part").fetchone()[0]


def test_a_fleet_is_answered_from_batches_and_parts_alike(tmp_path, processes):
    org = Organisation(tmp_path, processes, settings="compact:\n  pack: false\n").start()
    fleet = Fleet(org, 4, sites=2)
    seen = fleet.start("--tick", "10", "--cut", "10", "--measure", "3", "--backlog", "3", "--variants", "4").wait()
    assert seen["unsettled"] == 0
    names = [m["name"] for m in org.api("GET", "/metrics?limit=1000")["items"]]
    assert "load_l1" in names and "net_rbytes" in names
    newest, complete = latest(org, "load_l1")
    assert complete and len(newest) == 4 and all(state == "current" for _, _, state in newest.values())
    end = (max(t for t, _, _ in newest.values()) // HOUR + 1) * HOUR
    begin = end - 5 * HOUR
    rows = export(org, **{"metric": "load_l1", "from": begin, "to": end})
    for (device, _), (unix_ms, value, _) in newest.items():
        last = max((r for r in rows if r["device"] == device), key=lambda r: int(r["unix_ms"]))
        assert (int(last["unix_ms"]), float(last["value"])) == (unix_ms, value)
    n = check_against_samples(org, rows, begin, end)
    assert n >= 4 * 3 * 360
    assert parts(org) == 0
    # One device whose clock once stood in 1970: no export walks through all the hours since, device by device.
    with contextlib.closing(sqlite3.connect(org.folder / "collector" / "telemetry.db", timeout=10)) as store, store:
        store.execute("INSERT INTO pack_due SELECT 3600000, device_id, spool_id, stream, seq_first, seq_first, since_unix_ms"
                      " FROM pack_due LIMIT 1")
    began = time.monotonic()
    assert export(org, **{"metric": "load_l1", "from": 0, "to": end}) == rows
    assert time.monotonic() - began < 20  # each device's half a million hours took longer
    with contextlib.closing(sqlite3.connect(org.folder / "collector" / "telemetry.db", timeout=10)) as store, store:
        assert store.execute("DELETE FROM pack_due WHERE hour_unix_ms = 3600000").rowcount == 1
    # Closed hours that the evaluator has passed go into parts; the present one stays.
    wait_for(lambda: org.api("GET", "/status")["evaluator"]["behind_batches"] == 0, 30, "all is evaluated")
    org.collector.stop()
    config = org.folder / "collector" / "collector.yaml"
    config.write_text(config.read_text().replace("  pack: false\n", "  after: 1s\n"))
    org.start_collector()
    wait_for(lambda: parts(org) >= 2, 60, "closed hours are packed", org.collector.log)
    assert export(org, **{"metric": "load_l1", "from": begin, "to": end}) == rows
    assert check_against_samples(org, rows, begin, end) == n
    levels = {r["level"] for r in ask(org, "query", metric="load_l1", agg="avg", step=HOUR, **{
        "from": begin, "to": end})["resolution"]}
    assert levels == {"1h"}
    # After the restart the newest values are there again: filled in from the store.
    wait_for(lambda: latest(org, "load_l1")[1], 20, "the newest values are filled in")
    again, _ = latest(org, "load_l1")
    assert {k: v[:2] for k, v in again.items()} == {k: v[:2] for k, v in newest.items()}
    assert org.api("GET", "/storage")["latest"]["series"] == 400
