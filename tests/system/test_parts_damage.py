"""An hour of which the file is gone: it is named, with its file and hour, until it can be read."""

import http.client
import socket
import sqlite3
import time

from support.fleet import Fleet
from support.org import Organisation
from support.wait import wait_for

HOUR_S = int(time.time()) // 3600 * 3600 - 86400
HOUR = HOUR_S * 1000
FILE = time.strftime("raw-%Y%m%d.blp", time.gmtime(HOUR_S))


def metrics(org):
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.sock.connect(str(org.folder / "collector" / "admin.sock"))
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_an_hour_without_its_file_is_named(organisation):
    assert organisation.api("GET", "/storage")["damaged"]["items"] == []
    organisation.collector.stop()
    with sqlite3.connect(organisation.folder / "collector" / "telemetry.db") as db:
        db.execute("INSERT INTO part VALUES (7, ?, 0, 1, 1, 360, 0, 900, 0, 0, 0, 0, ?, 1)", (HOUR, HOUR))
    db.close()
    organisation.start_collector()
    found = wait_for(lambda: organisation.api("GET", "/storage")["damaged"]["count"] == 2 and
                     organisation.api("GET", "/storage")["damaged"], 20, "it is found", organisation.collector.log)
    assert [(d["part"], d["file"], d["hour_unix_ms"]) for d in found["items"]] == [
        (7, "telemetry.db", HOUR), (7, FILE, HOUR)]
    assert "checksum" in found["items"][0]["why"] and "No such file" in found["items"][1]["why"]
    assert time.strftime(f"file={FILE} hour=%Y-%m-%dT%H:00Z", time.gmtime(HOUR_S)) in organisation.collector.log()
    lines = metrics(organisation).splitlines()
    assert "branchline_parts_damaged 2" in lines
    assert f'branchline_parts_damaged_hour{{file="{FILE}",hour="{HOUR_S}",part="7"}} 1' in lines


def lost(org):
    return [g for g in org.api("GET", "/gaps?limit=1000")["items"] if g["reason"] == "lost_at_centre"]


def test_hours_of_a_lost_file_are_in_the_ledger_until_it_is_back(processes, tmp_path):
    org = Organisation(tmp_path, processes, settings="compact:\n  after: 1s\n").start()
    Fleet(org, 1).start("--tick", "60", "--cut", "600", "--past-cut", "600", "--backlog", "2", "--measure", "1", "--split").wait()
    folder, away = org.folder / "collector" / "parts", tmp_path / "away"
    # What is due is looked at when the collector starts, and some time later.
    org.collector.stop()
    org.start_collector()
    wait_for(lambda: list(folder.glob("h1-*.blp")) and org.api("GET", "/storage")["compaction"]["state"] == "idle", 90,
             "hours are packed", org.collector.log)
    org.collector.stop()
    # What came meanwhile, or closes now, must not begin a new file in the place of the one that is away.
    config = org.folder / "collector" / "collector.yaml"
    config.write_text(config.read_text().replace("  after: 1s\n", "  pack: false\n"))
    away.mkdir()
    files = list(folder.glob("raw-*.blp"))
    for file in files:
        file.rename(away / file.name)
    org.start_collector()
    damaged = wait_for(lambda: (d := org.api("GET", "/storage")["damaged"]) and d["checked_unix_ms"] and d, 60, "all is looked at",
                       org.collector.log)
    named = lost(org)
    # Of each hour the two streams that have series.
    assert len(named) == 2 * damaged["count"] > 0, (named, damaged)
    assert {g["from_unix_ms"] for g in named} == {d["hour_unix_ms"] for d in damaged["items"]}
    series = org.api("GET", "/devices/agent-00000/series")["items"][0]["id"]
    hour = named[0]["from_unix_ms"]
    answer = org.api("GET", f"/query?series={series}&from={hour}&to={hour + 3600000}&step=60000")["series"][0]
    assert sum(answer["points"]["n"]) == 0
    assert "lost_at_centre" in [g["reason"] for g in answer["gaps"]], answer["gaps"]
    org.collector.stop()
    for file in files:
        (away / file.name).rename(file)
    org.start_collector()
    wait_for(lambda: org.api("GET", "/storage")["damaged"]["checked_unix_ms"] and not lost(org), 60, "it is out of the ledger",
             org.collector.log)
    answer = org.api("GET", f"/query?series={series}&from={hour}&to={hour + 3600000}&step=60000")["series"][0]
    assert sum(answer["points"]["n"]) > 0
