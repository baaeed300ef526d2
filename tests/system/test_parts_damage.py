"""An hour of which the file is gone: it is named, with its file and hour, until it can be read."""

import http.client
import socket
import sqlite3
import time

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
