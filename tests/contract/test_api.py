"""The HTTP API over real HTTPS and over its Unix socket (api_server), route by route.

What every route owes (sign-in, role, origin, validation) is driven by the OpenAPI document, which a
unit test holds against the route table: a new route is tested here before anybody thinks of it.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import tempfile
import time

import pytest

from api_client import OPENAPI, ROOT, operations, validate
from api_process import PASSWORD, Server, evaluated, refused, tool

FIXTURES = ROOT / "tests" / "data" / "api"
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("api"))
    yield s
    s.stop()


@pytest.fixture(scope="module")
def fleet(server):
    """One site with a device that has two hours of data, one without any; definitions and their results."""
    server.admin.ok("POST", "/sites", {"id": "west", "name": "上海西分店", "region": "east/shanghai",
                                       "tags": {"size": "large"}, "lat": 31.2, "lon": 121.4})
    server.admin.ok("POST", "/sites", {"id": "depot", "name": "Depot", "zone": "UTC"})
    server.admin.ok("POST", "/devices", {"id": "west-till", "site": "west", "name": "Till"})
    server.admin.ok("POST", "/devices", {"id": "depot-gate", "site": "depot", "name": "Gate"})
    server.order("seed", "west-till")
    evaluated(server, "west", "west-till", "depot")
    return server


@pytest.fixture(scope="module")
def admin(server):
    return server.person("boss", "administrator")


@pytest.fixture(scope="module")
def viewer(server):
    return server.person("looker")


EXISTING = {"devices": "west-till", "sites": "west", "processes": "orders", "kpis": "failures", "rules": "too-many",
            "channels": "ops", "incidents": "1", "cases": "1"}


def concrete(path):
    """A path with something in its parameters that exists (users: that may be refused)."""
    return re.sub(r"{\w+}", EXISTING.get(path.split("/")[3] if path.count("/") > 3 else "", "nothing-here"), path)


ROUTES = [pytest.param(m, p, op, id=f"{m} {p}") for m, p, op in operations()]
CHANGES = [r for r in ROUTES if r.values[0] in UNSAFE]
WITH_BODY = [r for r in ROUTES if "requestBody" in r.values[2]]


# ---- what every route owes ---------------------------------------------------


@pytest.mark.parametrize("method,path,op", ROUTES)
def test_needs_a_session_unless_described_as_open(fleet, method, path, op):
    answer = fleet.visitor().raw(method, concrete(path))
    if op.get("security") == [] or path == "/metrics":  # this test comes from a loopback address
        assert answer.code != "not_signed_in"
    else:
        refused(answer, 401, "not_signed_in")


@pytest.mark.parametrize("method,path,op", ROUTES)
def test_forged_session_opens_nothing(fleet, method, path, op):
    if op.get("security") == [] or path == "/metrics":
        return
    for token in ("0" * 64, "x", "'; DROP TABLE session; --", "f" * 200):
        answer = fleet.visitor().raw(method, concrete(path), headers={"Cookie": f"__Host-branchline={token}"})
        refused(answer, 401, "not_signed_in")


@pytest.mark.parametrize("method,path,op", ROUTES)
def test_viewer_only_reads(fleet, viewer, method, path, op):
    about_oneself = path.startswith("/api/v1/session")
    if op.get("security") == [] or about_oneself:
        return
    answer = viewer.raw(method, concrete(path))
    if method == "GET" and not path.startswith(("/api/v1/users", "/api/v1/channels")):
        assert answer.status in (200, 422)
    else:
        refused(answer, 403, "forbidden")


@pytest.mark.parametrize("method,path,op", CHANGES)
def test_page_of_another_origin_changes_nothing(fleet, admin, method, path, op):
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
                    {"Sec-Fetch-Site": "same-site"},
                    {"Origin": f"https://localhost:{fleet.port}", "Sec-Fetch-Site": "cross-site"}):
        refused(admin.raw(method, concrete(path), headers=headers), 403, "cross_origin")


@pytest.mark.parametrize("method,path,op", WITH_BODY)
def test_bad_bodies_are_refused_with_a_reason(fleet, admin, method, path, op):
    target, json_type = concrete(path), {"Content-Type": "application/json"}
    for text in ("", "{", "[]", "null", '{"a":1,"a":2}', "\xff", "[" * 5000):
        answer = admin.raw(method, target, text.encode("latin-1"), json_type)
        refused(answer, 400, "invalid_json")
    refused(admin.raw(method, target, "{}", {"Content-Type": "text/plain"}), 415, "unsupported_media_type")
    refused(admin.raw(method, target, "{}", {}), 415, "unsupported_media_type")
    answer = admin.raw(method, target, '{"no_such_field":1}', json_type)
    refused(answer, 422, "invalid_field")
    assert "no_such_field" in [e["field"] for e in answer.json["errors"]]
    refused(admin.raw(method, target, b'{"x":"' + b"a" * 70000 + b'"}', json_type), 413, "too_large")


@pytest.mark.parametrize("method,path,op", WITH_BODY)
def test_each_field_of_a_wrong_type_is_named(fleet, admin, method, path, op):
    name = op["requestBody"]["content"]["application/json"]["schema"]["$ref"].split("/")[-1]
    schema = OPENAPI["components"]["schemas"][name]
    body = {key: [1] for key in schema["properties"]}
    if body:
        answer = admin.call(method, "/" + concrete(path), body)
        refused(answer, 422, "invalid_field")
        assert {e["field"] for e in answer.json["errors"]} | set(list(body)[16:]) == set(body), "16 are told at most"
    answer = admin.call(method, "/" + concrete(path), {})
    missing = {e["field"] for e in answer.json["errors"]} if answer.status == 422 else set()
    assert missing == set(schema.get("required", []))


@pytest.mark.parametrize("method,path,op", ROUTES)
def test_unexpected_body_and_parameter_are_refused(fleet, admin, method, path, op):
    if "requestBody" not in op and method != "GET":
        refused(admin.raw(method, concrete(path), "{}", {"Content-Type": "application/json"}), 400,
                "invalid_request")
    answer = admin.raw(method, concrete(path) + "?no_such_parameter=1",
                       "{}" if "requestBody" in op else None, {"Content-Type": "application/json"})
    refused(answer, 422, "invalid_field")
    assert answer.json["errors"][0]["field"] == "no_such_parameter"


@pytest.mark.parametrize("method,path,op", ROUTES)
def test_every_answer_has_the_headers(fleet, viewer, method, path, op):
    client = fleet.person("leaver") if (method, path) == ("DELETE", "/api/v1/session") else viewer
    answer = client.raw(method, concrete(path))
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_other_methods_and_addresses(fleet, admin):
    for path in {p for _, p, _ in operations()}:
        known = {m for m, p, _ in operations() if p == path}
        for method in {"GET", *UNSAFE, "OPTIONS", "TRACE", "FOO"} - known:
            answer = admin.raw(method, concrete(path))
            refused(answer, 405, "method_not_allowed")
            assert {m.strip() for m in answer.headers["Allow"].split(",")} - {"HEAD"} == known
    for path in ("/api", "/api/", "/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v2/sites", "/api/v1/sites/a/b",
                 "/nothing.js"):
        refused(admin.raw("GET", path), 404, "not_found")
    head = admin.raw("HEAD", "/api/v1/sites")
    assert head.status == 200 and head.body == b"" and int(head.headers["Content-Length"]) > 2


def test_strict_transport_is_asked_for_except_on_loopback_names(fleet):
    answer = fleet.visitor().raw("GET", "/livez", headers={"Host": "board.example:8443"})
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in fleet.visitor().raw("GET", "/livez").headers


# ---- signing in --------------------------------------------------------------


def test_session_from_sign_in_to_sign_out(server):
    server.person("anna")
    client = server.visitor()
    answer = client.call("POST", "/session", {"user": "anna", "password": PASSWORD})
    cookies = answer.headers.get_all("Set-Cookie")
    assert re.fullmatch(r"__Host-branchline=[0-9a-f]{64}; Path=/; Secure; HttpOnly; SameSite=Strict", cookies[0])
    assert re.fullmatch(r"__Host-branchline-known=[0-9a-f]{64}; Path=/; Secure; HttpOnly; SameSite=Strict; "
                        r"Max-Age=15552000", cookies[1])
    assert answer.json["user"] == {"name": "anna", "display_name": "anna", "role": "viewer", "language": "zh-CN"}
    assert client.ok("GET", "/session")["user"]["name"] == "anna"
    assert client.ok("PATCH", "/session", {"language": "en"})["language"] == "en"
    sessions = client.ok("GET", "/sessions")["items"]
    assert [s["current"] for s in sessions].count(True) == 1
    other = next(s for s in sessions if not s["current"])
    assert other["address"] == "127.0.0.1"
    assert client.call("DELETE", f"/sessions/{other['id']}").status == 204
    refused(client.call("DELETE", f"/sessions/{other['id']}"), 404, "not_found")
    token = dict(client.cookies)
    again = client.call("POST", "/session", {"user": "anna", "password": PASSWORD})
    assert len(again.headers.get_all("Set-Cookie")) == 1, "a known browser stays known"
    old = server.visitor()
    old.cookies = token
    refused(old.get("/session"), 401, "not_signed_in")  # rotated: the old one ended
    assert client.call("DELETE", "/session").status == 204
    assert "__Host-branchline" not in client.cookies
    refused(client.get("/session"), 401, "not_signed_in")


def test_wrong_sign_in_tells_nothing(server):
    server.person("berta")
    answers = [server.visitor().call("POST", "/session", body) for body in (
        {"user": "berta", "password": "wrong password"}, {"user": "no-such-user", "password": PASSWORD},
        {"user": "' OR 1=1 --", "password": PASSWORD}, {"user": "berta", "password": "x" * 900})]
    for answer in answers:
        refused(answer, 401, "wrong_credentials")
        assert answer.headers.get_all("Set-Cookie") is None
    assert len({a.body for a in answers}) == 1


def test_own_password_change_ends_the_other_sessions(server):
    one, two = server.person("clara"), server.person("clara")
    refused(one.call("POST", "/session/password", {"old": "wrong wrong", "new": "another long one"}), 401,
            "wrong_credentials")
    answer = one.call("POST", "/session/password", {"old": PASSWORD, "new": "canary"})
    refused(answer, 422, "invalid_field")
    assert b"canary" not in answer.body
    assert one.call("POST", "/session/password", {"old": PASSWORD, "new": "another long one"}).status == 204
    assert one.get("/session").status == 200
    refused(two.get("/session"), 401, "not_signed_in")


def test_flood_of_guesses_is_little_work_and_the_victim_goes_on(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("flood"))
    try:
        victim = server.person("victim")

        def guess(_):
            return server.visitor().raw("POST", "/api/v1/session", '{"user":"victim","password":"a guess"}',
                                        {"Content-Type": "application/json"})

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(guess, range(300)))
        statuses = [a.status for a in answers]
        assert set(statuses) == {401, 429}
        assert statuses.count(401) <= 10
        assert int(next(a for a in answers if a.status == 429).headers["Retry-After"]) > 0
        assert victim.get("/sites").status == 200
        while guess(0).status == 401:  # one a minute is looked at
            pass
        refused(server.visitor().call("POST", "/session", {"user": "victim", "password": PASSWORD}), 429,
                "too_many_requests")
        known = server.visitor()
        known.cookies = {"__Host-branchline-known": victim.cookies["__Host-branchline-known"]}
        assert known.call("POST", "/session", {"user": "victim", "password": PASSWORD}).status == 200
    finally:
        server.stop()


def test_users_are_kept_by_administrators(server, admin):
    made = admin.call("POST", "/users", {"name": "dora"})
    assert made.status == 201 and len(made.json["initial_password"]) == 23 and made.json["role"] == "viewer"
    refused(admin.call("POST", "/users", {"name": "dora"}), 409, "exists")
    dora = server.visitor()
    dora.ok("POST", "/session", {"user": "dora", "password": made.json["initial_password"]})
    assert "initial_password" not in admin.get("/users").body.decode()
    refused(admin.call("PATCH", "/users/dora", {"display_name": "D"}, headers={"If-Match": '"9"'}), 412,
            "precondition_failed")
    changed = admin.call("PATCH", "/users/dora", {"display_name": "D", "role": "administrator"},
                         headers={"If-Match": made.headers["ETag"]})
    assert changed.json["role"] == "administrator" and changed.headers["ETag"] == '"2"'
    refused(dora.get("/session"), 401, "not_signed_in")  # another role: sign in again
    assert admin.call("DELETE", "/users/dora").status == 204
    refused(admin.call("DELETE", "/users/dora"), 404, "not_found")
    names = [u["name"] for u in admin.ok("GET", "/users")["items"]]
    assert names == sorted(names) and "dora" not in names
    page = admin.ok("GET", "/users?limit=1")
    assert page["next"] == names[0] and admin.ok("GET", f"/users?limit=1&after={page['next']}")["items"][0]["name"] == names[1]


def test_last_administrator_stays(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("last"))
    try:
        boss = server.person("boss", "administrator")
        refused(boss.call("PATCH", "/users/boss", {"role": "viewer"}), 409, "conflict")
        refused(boss.call("PATCH", "/users/boss", {"disabled": True}), 409, "conflict")
        refused(boss.call("DELETE", "/users/boss"), 409, "conflict")
    finally:
        server.stop()


# ---- sites and devices ---------------------------------------------------------


def test_site_life(admin):
    made = admin.call("POST", "/sites", {"name": "Life <b>&\"'"})
    assert made.status == 201 and made.json["id"] == "life-b" and made.json["zone"] == "Asia/Shanghai"
    site, tag = "/sites/life-b", made.headers["ETag"]
    refused(admin.call("POST", "/sites", {"id": "life-b", "name": "x"}), 409, "exists")
    changed = admin.call("PATCH", site, {"zone": "Europe/Berlin", "tags": {"b": "2", "a": "=1+1"}, "lat": 1, "lon": 2},
                         headers={"If-Match": tag})
    assert changed.status == 200 and changed.json["tags"] == {"a": "=1+1", "b": "2"}
    refused(admin.call("PATCH", site, {"name": "y"}, headers={"If-Match": tag}), 412, "precondition_failed")
    refused(admin.call("PATCH", site, {"name": "y"}, headers={"If-Match": "nonsense"}), 412, "precondition_failed")
    assert admin.call("PATCH", site, {"name": "y"}, headers={"If-Match": "*"}).status == 200
    answer = admin.call("PATCH", site, {"zone": "Mars/X", "lat": 91, "nme": "z"})
    refused(answer, 422, "invalid_field")
    errors = {e["field"]: e for e in answer.json["errors"]}
    assert set(errors) == {"zone", "lat", "nme"}
    assert errors["nme"]["suggestion"] == "name" and errors["zone"]["got"] == '"Mars/X"'
    refused(admin.call("PATCH", site, {"lat": 1}), 422, "invalid_field")
    assert admin.ok("PATCH", site, {"lat": None, "lon": None})["lat"] is None
    assert admin.ok("PATCH", site, {"retired": True})["retired"]
    assert "life-b" not in [s["id"] for s in admin.ok("GET", "/sites")["items"]]
    assert "life-b" in [s["id"] for s in admin.ok("GET", "/sites?retired=true")["items"]]
    assert admin.ok("GET", site)["name"] == "y"
    refused(admin.get("/sites/none"), 404, "not_found")


@pytest.mark.parametrize("zone", ["../../../../etc/passwd", "/etc/passwd", "Asia/../UTC", "Asia", "localtime", "UTC\u0000"])
def test_zone_is_never_a_path(admin, zone):
    assert admin.call("POST", "/sites", {"name": "z", "zone": zone}).status in (400, 422)


def test_device_life(fleet, admin):
    admin.ok("POST", "/sites", {"id": "d1", "name": "d1"})
    admin.ok("POST", "/sites", {"id": "d2", "name": "d2"})
    answer = admin.call("POST", "/devices", {"site": "nowhere", "name": "x"})
    refused(answer, 422, "invalid_field")
    made = admin.call("POST", "/devices", {"site": "d1", "name": "Gate 7"})
    assert made.status == 201 and made.json["id"] == "d1-gate-7" and made.json["state"] == "never"
    device = "/devices/d1-gate-7"
    refused(admin.call("PATCH", "/sites/d1", {"retired": True}), 409, "conflict")
    moved = admin.call("POST", device + "/move", {"site": "d2"}, headers={"If-Match": '"1"'})
    assert moved.json["site"] == "d2" and moved.json["part"] == made.json["part"] and "part" in moved.json["note"]
    refused(admin.call("POST", device + "/move", {"site": "d1", "from_unix_ms": 1}), 422, "invalid_field")
    items = admin.ok("GET", device + "/service")["items"]
    assert [i["site"] for i in items] == ["d1", "d2"]
    assert items[0]["to_unix_ms"] == items[1]["from_unix_ms"] and items[1]["to_unix_ms"] is None
    certificate = {"serial": "1a2b", "not_after_unix_ms": 1900000000000, "fingerprint_sha256": "ab" * 32}
    assert admin.ok("PUT", device + "/certificate", certificate)["certificate"] == certificate
    refused(admin.call("PUT", device + "/certificate", {**certificate, "serial": "xyz"}), 422, "invalid_field")
    assert admin.ok("PATCH", device, {"name": "G", "retired": True})["state"] == "retired"
    refused(admin.call("POST", device + "/move", {"site": "d1"}), 409, "conflict")
    assert [d["id"] for d in admin.ok("GET", "/devices?site=d2")["items"]] == []
    assert [d["id"] for d in admin.ok("GET", "/devices?site=d2&retired=true")["items"]] == ["d1-gate-7"]
    refused(admin.get("/devices/none"), 404, "not_found")
    refused(admin.get("/devices/none/service"), 404, "not_found")


def test_every_change_is_in_the_audit_log(fleet, admin):
    admin.ok("POST", "/sites", {"id": "audited", "name": "before"})
    admin.ok("PATCH", "/sites/audited", {"name": "after"})
    copy = subprocess.run(["sqlite3", "-readonly", "-json", fleet.folder / "state" / "control.db",
                           "SELECT actor, address, action, subject, before, after FROM audit"],
                          capture_output=True, check=True, text=True).stdout
    rows = [r for r in json.loads(copy) if r["subject"] == "site/audited"]
    assert [r["action"] for r in rows] == ["site.create", "site.change"]
    assert rows[1]["actor"] == "boss" and rows[1]["address"] == "127.0.0.1"
    assert json.loads(rows[1]["before"])["name"] == "before" and json.loads(rows[1]["after"])["name"] == "after"
    assert PASSWORD not in copy and "argon2" not in copy


# ---- telemetry -----------------------------------------------------------------


def now_ms():
    return int(time.time() * 1000)


def test_device_state_follows_what_was_heard(fresh):
    viewer = fresh.person("looker")
    device = viewer.ok("GET", "/devices/west-till")
    assert (device["state"], device["presence"], device["clock"]) == ("up", "online", "trusted")
    assert device["software"] == "0.1.0" and device["gaps"] == 1 and len(device["spool"]) == 32
    assert viewer.ok("GET", "/devices/depot-gate")["state"] == "never"


def test_what_a_device_says_of_itself(fleet, viewer):
    report = viewer.ok("GET", "/devices/west-till")["report"]
    assert abs(report["at_unix_ms"] - now_ms()) < 3600000
    assert report["backlog"] == {
        "events": {"batches": 0, "bytes": 0, "samples": 0, "oldest_age_ms": None},
        "probes": {"batches": 2, "bytes": 900, "samples": 4, "oldest_age_ms": 90000},
        # An age of any number is told as one that can be a time.
        "host": {"batches": 1, "bytes": 9, "samples": 0, "oldest_age_ms": report["at_unix_ms"]}}
    assert report["clock"]["source"] == "ntp" and report["link"]["local_address"] == "192.0.2.7"
    assert report["link"]["rtt_ms"] is None and report["budget"]["held"] == ["probes", "host"]
    assert report["budget"]["bytes_per_hour"] is None
    assert report["budget"]["opens_unix_ms"] == report["at_unix_ms"] + 1000
    assert viewer.ok("GET", "/devices/depot-gate")["report"] is None
    assert all("report" not in d for d in viewer.ok("GET", "/devices")["items"])


def test_machines_with_one_identity(fleet, viewer):
    conflict = viewer.ok("GET", "/devices/west-till")["identity_conflict"]
    assert len(conflict["machines"]) == 2 and conflict["returns"] == 3
    assert {(m["address"], m["returns"]) for m in conflict["machines"]} == {("192.0.2.7", 1), (None, 2)}
    assert len({m["boot"] for m in conflict["machines"]}) == 2 and conflict["since_unix_ms"] <= now_ms()
    assert viewer.ok("GET", "/devices/depot-gate")["identity_conflict"] is None
    told = viewer.ok("GET", "/overview")["identity_conflicts"]
    assert "west-till" in [c["device"] for c in told] and len(told) == len({c["device"] for c in told})


def test_usage_by_month(fleet, viewer):
    newest, before = viewer.ok("GET", "/devices/west-till/usage")["items"]
    assert (newest["month"], before["month"]) == ("2026-01", "2025-12")
    assert newest["in_bytes"] == (1 << 63) - 1 and newest["out_bytes"] == 30
    assert [before[k] for k in ("events_bytes", "probes_bytes", "host_bytes", "other_bytes")] == [1, 2, 3, 14]
    assert viewer.ok("GET", "/devices/depot-gate/usage")["items"] == []
    refused(viewer.get("/devices/none/usage"), 404, "not_found")


@pytest.fixture
def fresh(tmp_path):
    """As `fleet`, with data until now: five minutes later what is known of it is another thing."""
    s = Server(tmp_path)
    for site in ("west", "depot"):
        s.admin.ok("POST", "/sites", {"id": site, "name": site, "zone": "UTC"})
    s.admin.ok("POST", "/devices", {"id": "west-till", "site": "west", "name": "Till"})
    s.admin.ok("POST", "/devices", {"id": "depot-gate", "site": "depot", "name": "Gate"})
    s.order("seed", "west-till")
    yield s
    s.stop()


def test_overview_and_a_failing_probe(fresh):
    viewer = fresh.person("looker")

    def site(name):
        fresh.admin.ok("PATCH", "/sites/depot", {"name": "Depot"})  # a change makes the next one new
        return next(s for s in viewer.ok("GET", "/overview")["sites"] if s["id"] == name)

    west = site("west")
    assert west["state"] == "up" and west["probes"] == {"ok": 1, "failing": 0, "unknown": 0}
    assert west["devices"] == {"up": 1, "down": 0, "unknown": 0, "never": 0} and west["cpu_used_pct"] > 0
    assert site("depot")["state"] == "never"
    fresh.order("probe", "west-till", "0")
    west = site("west")
    assert west["state"] == "down" and west["probes"]["failing"] == 1
    fresh.order("offline", "west-till")
    west = site("west")
    assert west["state"] == "unknown", "without word from it, it is not down"
    assert west["probes"] == {"ok": 0, "failing": 0, "unknown": 1} and west["cpu_used_pct"] is None
    assert viewer.ok("GET", "/devices/west-till")["state"] == "unknown"


def test_query_has_every_step_and_names_the_gaps(fleet, viewer):
    items = {s["name"]: s for s in viewer.ok("GET", "/devices/west-till/series")["items"]}
    assert set(items) == {"cpu_used_pct", "memory_used_pct", "net_received_bytes_total", "probe_up"}
    assert items["net_received_bytes_total"]["labels"] == {"interface": "eth0"}
    ids = f"{items['cpu_used_pct']['id']},{items['net_received_bytes_total']['id']}"
    start = items["cpu_used_pct"]["first_unix_ms"]
    end = start + 2 * 3600000
    result = viewer.ok("GET", f"/query?series={ids}&from={start}&to={end}&step=600000&rate=true")
    cpu, net = result["series"]
    assert cpu["points"]["t"] == [start + i * 600000 for i in range(12)]
    assert all(len(cpu["points"][k]) == 12 for k in ("n", "min", "max", "mean"))
    assert cpu["points"]["n"][6] == 0 and cpu["points"]["mean"][6] is None and cpu["points"]["n"][5] == 60
    assert net["points"]["mean"][1] == pytest.approx(1000)
    assert [(g["from_unix_ms"], g["to_unix_ms"], g["reason"]) for g in cpu["gaps"]] == [
        (start + 3600000, start + 4200000, "off")]
    default = viewer.ok("GET", f"/query?series={ids}&from={start}&to={end}")
    assert len(default["series"][0]["points"]["t"]) == 600
    before = viewer.ok("GET", f"/query?series={ids}&from={start - 600000}&to={start}&points=2")
    assert [g["reason"] for g in before["series"][0]["gaps"]] == ["not_yet_installed"]


def test_large_answer_is_compressed_when_accepted(fleet, viewer):
    ids = ",".join(str(s["id"]) for s in viewer.ok("GET", "/devices/west-till/series")["items"])
    target = f"/api/v1/query?series={ids}&from=1&to=1000000000&points=1000"
    plain = viewer.raw("GET", target)
    packed = viewer.raw("GET", target, headers={"Accept-Encoding": "gzip"})
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert packed.headers["Content-Encoding"] == "gzip" and "Content-Encoding" not in plain.headers
    assert packed.json == plain.json and len(packed.wire) < len(plain.wire) / 4
    assert "Content-Encoding" not in viewer.raw("GET", "/api/v1/session", headers={"Accept-Encoding": "gzip"}).headers


LINK = "/devices/west-till/link"


@pytest.fixture(scope="module")
def linked(tmp_path_factory):
    """A device that came two hours ago and that nobody else changes; another one, never heard of."""
    s = Server(tmp_path_factory.mktemp("link"))
    s.admin.ok("POST", "/sites", {"id": "west", "name": "West", "zone": "UTC"})
    s.admin.ok("POST", "/devices", {"id": "west-till", "site": "west", "name": "Till"})
    s.admin.ok("POST", "/devices", {"id": "west-gate", "site": "west", "name": "Gate"})
    s.order("seed", "west-till")
    yield s
    s.stop()


def test_history_of_a_link(linked):
    """Two hours that came all at once just now: late, but for the last minutes; the ledger's gap for host."""
    now, viewer = now_ms(), linked.admin
    whole = viewer.ok("GET", f"{LINK}?from={now - 3 * 3600_000}&to={now + 3600_000}")
    assert abs(whole["to_unix_ms"] - now) < 60_000 and whole["resolution_ms"] == 0 and whole["late_ms"] == 180_000
    lists = {s["stream"]: s["spans"] for s in whole["streams"]}
    assert set(lists) == {"events", "probes", "host"}
    for spans in [whole["combined"], *lists.values()]:
        assert all(a["to_unix_ms"] == b["from_unix_ms"] for a, b in zip(spans, spans[1:]))
        assert spans[0]["from_unix_ms"] == now - 3 * 3600_000 and spans[-1]["to_unix_ms"] == whole["to_unix_ms"]
    gap = [s for s in lists["host"] if s["state"] == "gap"]
    assert [(s["reason"], s["to_unix_ms"] - s["from_unix_ms"]) for s in gap] == [("off", 600_000)]
    # The probes have the same hole without an entry: nobody knows; together the gap is the worse.
    assert [s["state"] for s in lists["probes"]] == ["unknown", "filled_in", "unknown", "filled_in", "online"]
    assert [s["state"] for s in whole["combined"]] == ["unknown", "filled_in", "gap", "filled_in", "online"]
    assert whole["combined"][0]["reason"] == "not_in_service"
    assert all((s["arrived_unix_ms"] is None) == (s["state"] != "filled_in") for s in whole["combined"])
    assert all(s["lasted_ms"] == s["to_unix_ms"] - s["from_unix_ms"] for s in whole["combined"])
    assert sum(whole["total_ms"].values()) == whole["to_unix_ms"] - whole["from_unix_ms"]
    assert whole["total_ms"]["gap"] == 600_000


def test_history_of_one_stream_and_of_one_never_heard_of(linked):
    now, viewer = now_ms(), linked.admin
    one = viewer.ok("GET", f"{LINK}?from={now - 3600_000}&to={now}&stream=probes")
    assert [s["stream"] for s in one["streams"]] == ["probes"] and one["combined"] == one["streams"][0]["spans"]
    month = viewer.ok("GET", f"{LINK}?from={now - 30 * 86400_000}&to={now}")
    assert len(month["combined"]) + sum(len(s["spans"]) for s in month["streams"]) <= 1000
    none = viewer.ok("GET", f"/devices/west-gate/link?from={now - 3600_000}&to={now}")
    assert {s["state"] for s in none["combined"]} == {"unknown"}
    ahead = viewer.ok("GET", f"{LINK}?from={now + 3600_000}&to={now + 7200_000}")
    assert ahead["combined"] == [] and ahead["to_unix_ms"] == ahead["from_unix_ms"]


@pytest.mark.parametrize("query,status", [("", 422), ("?from=1", 422), ("?from=5&to=5", 422), ("?from=1&to=2&stream=x", 422),
                                          ("?from=-1&to=2", 422), ("?from=1&to=2&step=1", 422)])
def test_bad_questions_about_a_link(linked, query, status):
    assert linked.admin.get(LINK + query).status == status
    refused(linked.admin.get("/devices/none/link?from=1&to=2"), 404, "not_found")


def test_a_site_that_fills_in_says_so(linked):
    """Batches that a device names and keeps for now; a few are only on their way."""
    def backlog():
        linked.admin.ok("PATCH", "/sites/west", {"name": "West"})  # a change makes the next one new
        return linked.admin.ok("GET", "/overview")["sites"][0]["backlog"]

    assert backlog() == {"devices": 0, "batches": 0}
    linked.order("skip", "west-till", "2")
    assert linked.admin.ok("GET", "/devices/west-till")["waiting_batches"] == 2
    assert backlog() == {"devices": 0, "batches": 0}
    linked.order("skip", "west-till", "40")
    assert backlog() == {"devices": 1, "batches": 42}
    linked.order("offline", "west-till")
    assert backlog() == {"devices": 0, "batches": 0}, "nothing comes from one that is away"
    assert linked.admin.ok("GET", "/devices/west-till")["waiting_batches"] == 42


@pytest.mark.parametrize("query,status,code", [
    ("series=1", 422, "invalid_field"), ("series=x&from=1&to=2", 422, "invalid_field"),
    ("series=1,&from=1&to=2", 422, "invalid_field"), ("series=1&from=2&to=2", 422, "invalid_field"),
    ("series=1&from=1&to=2&step=0", 422, "invalid_field"), ("series=1&from=1&to=2&step=1&points=5", 422, "invalid_field"),
    ("series=1&from=1&to=9999999999999&step=1", 422, "too_many_points"),
    ("series=" + ",".join(["1"] * 21) + "&from=1&to=2", 422, "invalid_field"),
    ("series=999999&from=1&to=2", 404, "not_found"), ("series=1&from=-1&to=2", 422, "invalid_field"),
    ("series=1&from=1&to=99999999999999999999", 422, "invalid_field"), ("series=1&from=1&from=2&to=3", 422, "invalid_field"),
])
def test_bad_queries(fleet, viewer, query, status, code):
    refused(viewer.get("/query?" + query), status, code)


def test_the_ledger_in_figures(fleet, viewer):
    totals = viewer.ok("GET", "/gaps/totals")
    assert totals["unexplained"]["gaps"] == 1 and totals["unexplained"]["batches"] == 0
    assert totals["unexplained"]["since_unix_ms"] <= now_ms()
    (off,) = totals["reasons"]
    assert (off["reason"], off["entries"], off["time_ms"]) == ("off", 1, 600_000)
    (device,) = totals["devices"]
    assert (device["device"], device["unexplained"]) == ("west-till", 1) and not totals["more_devices"]
    begin, end = device["reasons"][0]["first_unix_ms"], device["reasons"][0]["last_unix_ms"]
    assert end - begin == 600_000
    # Only what lies in the range counts, and step by step it is the same.
    half = viewer.ok("GET", f"/gaps/totals?from={begin - 60_000}&to={begin + 300_000}&step=60000")
    assert half["reasons"][0]["time_ms"] == 300_000
    assert [b["time_ms"] for b in half["buckets"]] == [{}] + [{"off": 60_000}] * 5
    assert viewer.ok("GET", "/gaps/totals?device=depot-gate")["devices"] == []
    for bad in ("from=5&to=5", "step=60000", f"from=0&to={10**12}&step=60000", "step=1&from=1&to=2"):
        refused(viewer.get("/gaps/totals?" + bad), 422, "invalid_field")
    missing = viewer.ok("GET", "/gaps/unexplained")
    assert missing["unexplained"] == totals["unexplained"]
    (hole,) = missing["items"]
    assert (hole["device"], hole["stream"], hole["what"]) == ("west-till", "probes", "hole")
    assert (hole["from_unix_ms"], hole["to_unix_ms"], hole["seq_first"]) == (begin, end, None)
    assert viewer.ok("GET", "/gaps/unexplained?device=depot-gate")["items"] == []
    metrics = fleet.admin.raw("GET", "/metrics").body.decode()
    assert 'branchline_store_gap_entries{reason="off"} 1' in metrics
    assert "branchline_store_gaps_unexplained 1" in metrics


def test_ledger_and_events(fleet, viewer):
    gaps = viewer.ok("GET", "/gaps?device=west-till")
    # The ledger has ten minutes of "host"; those of "probes" are a hole that nothing explains.
    assert [g["reason"] for g in gaps["items"]] == ["off"]
    assert (gaps["unexplained"], gaps["unexplained_batches"]) == (1, 0)
    assert viewer.ok("GET", "/gaps?site=west")["items"] == gaps["items"]
    assert viewer.ok("GET", "/gaps?site=depot") == {
        "items": [], "next": None, "unexplained": 0, "unexplained_batches": 0}
    assert viewer.ok("GET", f"/gaps?from={now_ms() + 10**9}")["items"] == []
    refused(viewer.get("/gaps?after=x"), 422, "invalid_field")
    events = viewer.ok("GET", "/devices/west-till/events")["items"]
    assert events[0]["attrs"] == {"probe": "<script>alert(1)</script>", "up": False, "n": 1.5}
    assert {c["stream"] for c in viewer.ok("GET", "/devices/west-till/coverage")["items"]} == {"host", "probes", "events"}
    refused(viewer.get("/devices/west-till/events?from=5&to=5"), 422, "invalid_field")
    for what in ("series", "events", "coverage"):
        refused(viewer.get(f"/devices/none/{what}"), 404, "not_found")
        assert viewer.ok("GET", f"/devices/depot-gate/{what}")["items"] == []
    fleet.order("aside", "west-till")
    fleet.order("aside", "west-till")
    aside = viewer.ok("GET", "/set-aside")["items"]
    assert len(aside) == 1 and aside[0]["reason"] == "undecodable" and aside[0]["repeats"] == 1


def test_what_was_set_aside_is_tried_again(fleet, admin, viewer):
    fleet.order("aside", "west-till")
    (mine,) = [a for a in admin.ok("GET", "/set-aside")["items"] if a["device"] == "west-till"]
    assert mine["kept"] and mine["tried_unix_ms"] is None
    before = viewer.ok("GET", "/set-aside/requeue")
    assert admin.ok("POST", "/set-aside/requeue", {"device": "west-till", "dry_run": True})["matching"] == 1
    assert admin.ok("POST", "/set-aside/requeue", {"reason": "retired", "dry_run": True})["matching"] == 0
    ids = {"ids": [str(mine["id"]), "999999"], "dry_run": True}
    assert admin.ok("POST", "/set-aside/requeue", ids)["matching"] == 1
    assert viewer.ok("GET", "/set-aside/requeue") == before, "a dry run does nothing"
    refused(viewer.call("POST", "/set-aside/requeue", {}), 403, "forbidden")
    for bad, field, expected, got in (
            ({"ids": []}, "ids", "at least one", "none"),
            ({"ids": ["x"]}, "ids", "an id of the list, as text", "x"),
            ({"ids": ["9" * 19]}, "ids", "an id of the list, as text", "9" * 19),
            ({"ids": [1]}, "ids", "a list of texts", "a list"),
            ({"ids": ["1"], "device": "west-till"}, "ids", "alone, without reason and device", "them together"),
            ({"ids": ["1"] * 1001}, "ids", "at most 1,000", "more"),
            ({"reason": "because"}, "reason", '"not_ours" or "undecodable" or "foreign_identity" or "wrong_part" or '
             '"retained" or "oversized" or "conflict" or "unknown_device" or "retired"', '"because"'),
            ({"device": "No!"}, "device", None, '"No!"'), ({"dry_run": 1}, "dry_run", "true or false", "1")):
        answer = admin.call("POST", "/set-aside/requeue", bad)
        refused(answer, 422, "invalid_field")
        (error,) = answer.json["errors"]
        assert (error["field"], error["got"]) == (field, got)
        assert expected is None or error["expected"] == expected
    begun = admin.ok("POST", "/set-aside/requeue", {"ids": [str(mine["id"])]})
    assert begun["matching"] == 1 and begun["tried"] == 1
    fleet.order("requeue", "goes-on")
    refused(admin.call("POST", "/set-aside/requeue", {}), 409, "conflict")
    fleet.order("requeue", "ended")
    assert admin.ok("POST", "/set-aside/requeue", {"device": "west-till"})["matching"] == 1


def test_health_status_and_metrics(fleet, viewer):
    visitor = fleet.visitor()
    assert visitor.raw("GET", "/livez").body == b"ok\n"
    assert visitor.raw("GET", "/readyz").status == 200
    fleet.order("broker", "down")
    down = visitor.raw("GET", "/readyz?verbose")
    assert down.status == 503 and b"[-] broker-live failed: connection refused" in down.body
    assert b"[+] store-open ok" in down.body
    assert b"[-] evaluator failed: disk full" in down.body
    status = viewer.ok("GET", "/status")
    assert status["broker"] == {"live": "down", "past": "down", "why": "connection refused", "dropped": 7}
    assert status["evaluator"] == {"ok": False, "why": "disk full", "behind_batches": 3, "dirty_spans": 2,
                                   "waiting_batches": 1}
    assert status["delivery"] == {"messages_waiting": 1, "oldest_message_unix_ms": 1763801990000, "problem": None}
    assert fleet.person("manager", "operator").ok("GET", "/status")["delivery"]["problem"] == "no such host"
    fleet.order("broker", "up")
    assert viewer.ok("GET", "/status")["delivery"] == {"messages_waiting": 0, "oldest_message_unix_ms": None, "problem": None}
    assert visitor.raw("GET", "/readyz?verbose").body.endswith(b"ready\n")
    metrics = visitor.raw("GET", "/metrics")
    assert metrics.type == "text/plain; version=0.0.4; charset=utf-8"
    check_exposition(metrics.body.decode())


def check_exposition(text):
    """Every sample has HELP and TYPE once before it, counters end in _total, no sample twice."""
    types, seen = {}, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types
            types[name] = kind
        elif not line.startswith("# HELP "):
            match = re.fullmatch(r'([a-z_]+)(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[0-9.e+]+', line)
            assert match, line
            assert types[match[1]] == ("counter" if match[1].endswith("_total") else "gauge"), line
            assert match[1] + (match[2] or "") not in seen
            seen.add(match[1] + (match[2] or ""))
    assert {"branchline_http_requests_total", "branchline_ingest_queue_bytes", "branchline_sessions"} <= set(types)


def test_start_is_refused_with_one_clear_line(tmp_path):
    good = Server(tmp_path)
    try:
        other = tmp_path / "other.pem"
        subprocess.run(["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", other], check=True,
                       capture_output=True)
        cases = {"belong together": (other, 0o600), "others may read": (tmp_path / "key.pem", 0o644),
                 "No such file": (tmp_path / "missing.pem", None)}
        for number, (text, (key, mode)) in enumerate(cases.items()):
            if mode:
                key.chmod(mode)
            (tmp_path / str(number)).mkdir()
            done = subprocess.run([tool(), tmp_path / str(number), good.cert, key], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=60)
            assert done.returncode == 1 and text in done.stderr.splitlines()[-1]
        (tmp_path / "key.pem").chmod(0o600)
        done = subprocess.run([tool(), tmp_path / "state", good.cert, tmp_path / "key.pem"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 1, "a second one in the same folder would serve half of the answers"
    finally:
        good.stop()


# ---- the local administrator ---------------------------------------------------


def test_local_socket_is_private_and_administrates(server):
    assert stat.S_IMODE(os.stat(server.socket).st_mode) == 0o600
    assert server.admin.get("/users").status == 200
    refused(server.admin.get("/session"), 403, "forbidden")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_local_socket_refuses_other_users():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="branchline-peer-"))
    server = Server(folder)
    try:
        for path in (folder, folder / "state", server.socket):
            path.chmod(0o777)  # what a careless administrator might do
        child = os.fork()
        if child == 0:
            try:
                os.setgid(65534)
                os.setuid(65534)
                answer = server.admin.raw("GET", "/api/v1/users")
                os._exit(0 if (answer.status, answer.code) == (403, "forbidden") else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        server.stop()
        shutil.rmtree(folder)


# ---- fixtures of the web app -------------------------------------------------------

SHAPES = {
    "session": "Session", "sessions": "SessionList", "users": "UserList", "site": "Site", "sites": "SiteList",
    "device": "Device", "devices": "DeviceList", "service": "ServiceList", "overview": "Overview",
    "series": "SeriesList", "query": "QueryResult", "events": "EventList", "coverage": "CoverageList", "link": "LinkHistory",
    "usage": "UsageList",
    "gaps": "GapList", "gap-totals": "GapTotals", "unexplained": "UnexplainedList",
    "set-aside": "SetAsideList", "requeue": "RequeueState", "status": "Status", "problem": "Problem",
    "process": "Process", "processes": "ProcessList", "kpi": "Kpi", "kpis": "KpiList", "rule": "Rule",
    "rules": "RuleList", "channel": "Channel", "channels": "ChannelList", "expression-check": "ExpressionResult",
    "cells": "CellList", "parts": "Parts", "runs": "RunList", "case": "CaseDetail", "cases": "CaseList",
    "incident": "IncidentDetail", "incidents": "IncidentList", "messages": "MessageList", "people": "People",
}


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.json")), ids=lambda p: p.stem)
def test_fixture_has_the_shape_that_real_answers_have(path):
    """Real answers are held against the same schemas by api_client, so both agree key by key."""
    validate(json.loads(path.read_text()), {"$ref": "#/components/schemas/" + SHAPES[path.stem]})


def test_validator_can_fail():
    site = json.loads((FIXTURES / "site.json").read_text())
    for broken in ({**site, "extra": 1}, {k: v for k, v in site.items() if k != "zone"}, {**site, "part": "17"},
                   {**site, "lat": "x"}, {**site, "tags": {"k": 1}}):
        with pytest.raises(AssertionError):
            validate(broken, {"$ref": "#/components/schemas/Site"})
