"""Definitions, and what the evaluator makes of them, over the API: processes, KPIs, rules, channels; cells, runs, cases,
incidents, messages.  What every route owes (sign-in, role, origin, form) is in test_api.py.
"""

import json
import re
import subprocess
import time

import pytest

from api_client import OPENAPI
from api_process import PASSWORD, Server, evaluated, refused

M = 60000
HOSTILE = "<script>alert(1)</script>'\"; DROP TABLE incident; -- ${7*7} 上海 \u202e%s\\"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("evaluation"))
    s.admin.ok("POST", "/sites", {"id": "west", "name": "上海西分店", "region": "east/shanghai"})
    s.admin.ok("POST", "/sites", {"id": "depot", "name": "Depot", "zone": "UTC"})
    s.admin.ok("POST", "/devices", {"id": "west-till", "site": "west", "name": "Till"})
    s.base = evaluated(s, "west", "west-till", "depot")
    yield s
    s.stop()


@pytest.fixture(scope="module")
def admin(server):
    return server.person("boss", "administrator")


@pytest.fixture(scope="module")
def operator(server):
    return server.person("li.na", "operator")


@pytest.fixture(scope="module")
def viewer(server):
    return server.person("looker")


def database(server, sql):
    """What the control database holds."""
    out = subprocess.run(["sqlite3", "-readonly", "-json", server.folder / "state" / "control.db", sql],
                         capture_output=True, check=True, text=True).stdout
    return json.loads(out or "[]")


def errors_of(answer):
    refused(answer, 422, "invalid_field")
    return {e["field"]: e for e in answer.json["errors"]}


# ---- definitions ----------------------------------------------------------------

KINDS = {
    "processes": {"name": "Returns", "steps": ["ask", "send"], "done": "status = \"sent\""},
    "kpis": {"name": "Slow", "source": "step", "function": "share", "condition": "value > 30min"},
    "rules": {"name": "Late", "kind": "case_open", "limit_ms": 1800000},
    "channels": {"name": "Mail", "kind": "email", "to": ["a@example.com"]},
}
# Of each kind: a change, and what a null in it goes back to.
CHANGES = {
    "processes": ({"steps": ["ask"], "done": None}, {"steps": ["ask"], "done": None}),
    "kpis": ({"unit": "%", "resolution": "1h"}, {"unit": "%", "resolution": "1h", "process": "default"}),
    "rules": ({"severity": "critical", "where": "age > 2h"}, {"severity": "critical", "where": "age > 2h"}),
    "channels": ({"language": "en", "to": ["b@example.com", "c@example.com"]},
                 {"language": "en", "to": ["b@example.com", "c@example.com"], "url": None}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_life_of_a_definition(server, admin, kind):
    before = server.order("changes")[0]
    made = admin.call("POST", f"/{kind}", KINDS[kind])
    assert made.status == 201 and made.headers["ETag"] == '"1"' and "secret" not in made.json
    one = made.json
    assert one["id"] == one["name"].lower() and one["version"] == 1 and one["enabled"] and one["author"] == "boss"
    assert KINDS[kind].items() <= one.items()
    assert abs(one["from_unix_ms"] - time.time() * 1000) < 60000
    path = f"/{kind}/{one['id']}"
    assert admin.ok("GET", path) == one
    assert one in admin.ok("GET", f"/{kind}")["items"]
    assert admin.ok("POST", f"/{kind}", KINDS[kind])["id"] == one["id"] + "-2", "made from the name"
    refused(admin.call("POST", f"/{kind}", {**KINDS[kind], "id": one["id"]}), 409, "exists")

    changed = admin.call("PATCH", path, CHANGES[kind][0], headers={"If-Match": '"1"'})
    assert changed.status == 200 and changed.headers["ETag"] == '"2"' and changed.json["version"] == 2
    assert CHANGES[kind][1].items() <= changed.json.items() and changed.json["name"] == one["name"]
    refused(admin.call("PATCH", path, {"name": "x"}, headers={"If-Match": '"1"'}), 412, "precondition_failed")
    refused(admin.call("PATCH", path, {"name": "x"}, headers={"If-Match": "W/x"}), 412, "precondition_failed")
    same = admin.ok("PATCH", path, CHANGES[kind][0])
    assert same == changed.json, "what changes nothing makes no version"

    off = admin.ok("PATCH", path, {"enabled": False, "name": HOSTILE[:60]}, headers={"If-Match": '"2"'})
    assert (off["enabled"], off["name"], off["version"]) == (False, HOSTILE[:60], 3)
    versions = admin.ok("GET", f"{path}/versions")
    assert [v["version"] for v in versions["items"]] == [3, 2, 1] and versions["next"] is None
    assert versions["items"] == [off, changed.json, one]
    page = admin.ok("GET", f"{path}/versions?limit=2")
    assert [v["version"] for v in page["items"]] == [3, 2]
    assert admin.ok("GET", f"{path}/versions?limit=2&before={page['next']}") == {"items": [one], "next": None}

    future = int(time.time() * 1000) + 3600000
    assert admin.ok("PATCH", path, {"from_unix_ms": future, "enabled": True})["from_unix_ms"] == future
    error = errors_of(admin.call("PATCH", path, {"from_unix_ms": future - 1000}))["from_unix_ms"]
    assert "where version 4 begins" in error["expected"] and error["got"] == str(future - 1000)
    for verb, sub in (("GET", ""), ("PATCH", ""), ("GET", "/versions")):
        refused(admin.call(verb, f"/{kind}/none{sub}", {} if verb == "PATCH" else None), 404, "not_found")
    assert int(server.order("changes")[0]) > int(before), "the evaluator is told"


@pytest.mark.parametrize("kind", KINDS)
def test_lists_come_in_pages(admin, kind):
    for i in range(3):
        admin.call("POST", f"/{kind}", {**KINDS[kind], "id": f"page-{i}"})
    everything = [d["id"] for d in admin.ok("GET", f"/{kind}?limit=1000")["items"]]
    assert everything == sorted(everything) and {"page-0", "page-1", "page-2"} <= set(everything)
    seen, after = [], ""
    while after is not None:
        page = admin.ok("GET", f"/{kind}?limit=2" + (f"&after={after}" if after else ""))
        assert len(page["items"]) <= 2
        seen += [d["id"] for d in page["items"]]
        after = page["next"]
    assert seen == everything


BAD = [
    ("processes", {"steps": ["a", "a"]}, {"steps[1]"}),
    ("processes", {"done": "statos = "}, {"done"}),
    ("kpis", {"function": "share", "condition": None}, {"condition"}),
    ("kpis", {"where": "status = ", "condition": "vlaue > 3 then", "resolution": "2m", "unit": "x" * 17},
     {"where", "condition", "resolution", "unit"}),
    ("kpis", {"sites": ["nowhere", "west"], "step": "x" * 65}, {"sites[0]", "step"}),
    ("kpis", {"function": "percentile", "percentile": 101, "condition": None}, {"percentile"}),
    ("rules", {"channels": ["nobody"], "severity": "fatal", "limit_ms": 1}, {"channels[0]", "severity", "limit_ms"}),
    ("rules", {"kind": "threshold", "kpi": "no-such-kpi", "window": "1m", "op": "=>", "value": 1}, {"kpi", "op", "limit_ms"}),
    ("rules", {"kind": "no_data", "limit_ms": None}, {"after_ms"}),
    ("channels", {"to": []}, {"to"}),
    ("channels", {"to": ["a@example.com\nBcc: all@example.com"]}, {"to[0]"}),
    ("channels", {"kind": "webhook", "to": None, "url": "http://example.com/"}, {"url"}),
    ("channels", {"kind": "webhook", "to": None, "url": "file:///etc/passwd"}, {"url"}),
    ("channels", {"language": "fr"}, {"language"}),
    ("channels", {"secret": "whsec_" + "A" * 44}, {"secret"}),
]


@pytest.mark.parametrize("kind,bad,fields", BAD, ids=[f"{k} {' '.join(f)}" for k, _, f in BAD])
def test_everything_that_is_wrong_is_said_at_once(admin, kind, bad, fields):
    count = len(admin.ok("GET", f"/{kind}?limit=1000")["items"])
    body = {**KINDS[kind], "name": "", **bad}
    answer = admin.call("POST", f"/{kind}", body)
    found = errors_of(answer)
    assert set(found) - {"name"} == fields and "name" in found
    assert all(e["expected"] and e["got"] for e in found.values())
    assert len(admin.ok("GET", f"/{kind}?limit=1000")["items"]) == count


def test_a_definition_that_is_too_long_is_not_the_collectors_fault(admin):
    body = {**KINDS["processes"], "id": "long", "steps": [f"step {i}" for i in range(3000)]}
    answer = admin.call("POST", "/processes", body)
    assert (answer.status, answer.json["code"]) == (413, "too_large"), answer.json
    assert "16 KiB" in answer.json["detail"]
    admin.ok("POST", "/processes", {**KINDS["processes"], "id": "short"})
    assert admin.call("PATCH", "/processes/short", {"steps": body["steps"]}).status == 413
    assert admin.ok("GET", "/processes/short")["version"] == 1


def test_errors_in_expressions_have_a_column(admin):
    answer = admin.call("POST", "/kpis", {**KINDS["kpis"], "where": "上海 = 1 and )", "condition": "value >"})
    found = errors_of(answer)
    assert found["where"]["column"] == 12 and found["where"]["got"] == '")"'
    assert found["condition"]["column"] == 8
    assert "column" not in errors_of(admin.call("POST", "/kpis", {**KINDS["kpis"], "resolution": "2m"}))["resolution"]
    near = errors_of(admin.call("POST", "/kpis", {**KINDS["kpis"], "resoluton": "1m"}))["resoluton"]
    assert near["suggestion"] == "resolution"


def test_kind_of_a_rule_stays(admin):
    admin.ok("POST", "/rules", {"id": "stays", "name": "Stays", "kind": "no_data", "after_ms": 60000})
    assert set(errors_of(admin.call("PATCH", "/rules/stays", {"kind": "case_open", "limit_ms": 60000}))) == {"kind"}


@pytest.mark.parametrize("kind,field", [("processes", "steps"), ("kpis", "unit"), ("kpis", "where"), ("rules", "where")])
def test_text_comes_back_as_text(admin, kind, field):
    text = {"steps": [HOSTILE[:40]], "unit": "<b>'\"%s", "where": "status = " + "\"<b>';--上海\""}[field]
    made = admin.ok("POST", f"/{kind}", {**KINDS[kind], "name": HOSTILE[:50], field: text})
    assert made[field] == text and made["name"] == HOSTILE[:50]
    assert re.fullmatch("[a-z0-9][a-z0-9-]{0,62}", made["id"])
    assert admin.ok("GET", f"/{kind}/{made['id']}") == made


def test_described_choices_are_the_ones_that_are_taken(admin):
    """The description lists words that `define` checks: it takes each of them, and no others."""
    threshold = {"kind": "threshold", "kpi": "failures", "window": "1m", "op": ">", "value": 1}
    for kind, name, body in (("kpis", "KpiNew", KINDS["kpis"]), ("rules", "RuleNew", threshold),
                             ("channels", "ChannelNew", KINDS["channels"])):
        for field, shape in OPENAPI["components"]["schemas"][name]["properties"].items():
            if "enum" not in shape:
                continue
            unknown = errors_of(admin.call("POST", f"/{kind}", {**body, "name": "", field: "no-such"}))[field]
            for word in [w for w in shape["enum"] if w is not None]:
                found = errors_of(admin.call("POST", f"/{kind}", {**body, "name": "", field: word}))
                assert found.get(field, {}).get("expected") != unknown["expected"], (name, field, word)


# ---- channels and their secrets -----------------------------------------------------

SECRET = "whsec_" + "Q2FuYXJ5" * 5 + "Q2E="


def test_secret_is_in_one_answer_and_nowhere_else(server, admin, operator):
    hook = {"name": "Hook", "kind": "webhook", "url": "https://hooks.example.com/x?token=t0ps3cret"}
    made = admin.ok("POST", "/channels", hook)
    secret = made.pop("secret")
    assert re.fullmatch("whsec_[A-Za-z0-9+/]{43}=", secret) and made["has_secret"]
    given = admin.call("POST", "/channels", {**hook, "name": "Given", "secret": SECRET})
    assert given.status == 201 and "secret" not in given.json and given.json["has_secret"]
    changed = admin.call("PATCH", "/channels/hook", {"secret": SECRET, "name": "Hook two"})
    assert "secret" not in changed.json and changed.json["version"] == 2
    bad = admin.call("PATCH", "/channels/hook", {"secret": "whsec_canary"})
    assert "canary" not in bad.body.decode() and errors_of(bad)["secret"]["expected"]
    assert "canary" not in admin.call("PATCH", "/channels/hook", {"secret": ["whsec_canary"]}).body.decode()
    for client in (admin, operator):
        for path in ("/channels", "/channels/hook", "/channels/hook/versions", "/channels/given", "/messages"):
            body = client.get(path).body.decode()
            assert secret not in body and SECRET not in body and secret[6:] not in body
    mail = next(c for c in admin.ok("GET", "/channels")["items"] if c["id"] == "ops")
    assert mail["has_secret"] is False and "secret" not in mail
    audit = json.dumps(database(server, "SELECT actor, subject, before, after FROM audit"))
    assert "channel/hook" in audit and secret[6:] not in audit and SECRET[6:] not in audit and "t0ps3cret" not in audit
    assert secret[6:] not in (server.folder / "log").read_text()


def test_channel_is_tried_by_a_message(server, admin, operator):
    before = server.order("changes")[1]
    first = admin.call("POST", "/channels/ops/test", {})
    assert first.status == 202
    message = first.json
    assert (message["kind"], message["channel"], message["channel_name"]) == ("test", "ops", "Operations")
    assert (message["state"], message["tries"], message["site"], message["incident"]) == ("waiting", 0, None, None)
    assert message["sent_unix_ms"] is None and message["subject"] and message["text"].endswith("\n")
    second = admin.ok("POST", "/channels/ops/test", {})
    assert second["key"] != message["key"] and second["id"] > message["id"]
    assert message in admin.ok("GET", "/messages?channel=ops")["items"]
    assert int(server.order("changes")[1]) == int(before) + 2, "the sender is told"
    refused(admin.call("POST", "/channels/none/test", {}), 404, "not_found")
    refused(operator.call("POST", "/channels/ops/test", {}), 403, "forbidden")
    rows = database(server, "SELECT actor, subject FROM audit WHERE action = 'channel.test'")
    assert rows == [{"actor": "boss", "subject": "channel/ops"}] * 2


# ---- expressions ---------------------------------------------------------------------


def test_expressions_are_checked_while_they_are_written(admin):
    def check(text, use, **more):
        return admin.ok("POST", "/expressions/check", {"text": text, "use": use, **more})

    good = check("status != \"completed\" and amount > 1000", "where", source="case")
    assert good["ok"] and good["errors"] == []
    names = {n["name"]: n for n in good["names"]}
    assert set(names) == {"device", "process", "case", "status"} and names["status"]["type"] == "text"
    bad = check("amount > ", "where", source="series")
    assert not bad["ok"] and bad["errors"][0]["column"] == 10 and bad["errors"][0]["expected"]
    near = check("contians(status, \"x\")", "where", source="case")
    assert near["errors"][0]["suggestion"].startswith("contains(") and near["errors"][0]["column"] == 1
    for source, kind in (("series", "number"), ("probe", "number"), ("step", "duration"), ("case", "duration")):
        value = next(n for n in check("true", "condition", source=source)["names"] if n["name"] == "value")
        assert value["type"] == kind and value["help"]
        assert "value" not in [n["name"] for n in check("true", "where", source=source)["names"]]
    assert {n["name"] for n in check("step = \"x\"", "done")["names"]} == {"process", "step", "case", "status"}
    age = check("age > 2h", "open_case")
    assert age["ok"] and next(n for n in age["names"] if n["name"] == "age")["type"] == "duration"
    assert not check("1 + 1", "where", source="series")["ok"], "a condition is true or false"
    assert not check("", "done")["ok"]
    assert not check("(" * 3000, "done")["ok"]
    assert errors_of(admin.call("POST", "/expressions/check", {"text": "true", "use": "where"}))["source"]
    assert errors_of(admin.call("POST", "/expressions/check", {"text": "x" * 4097, "use": "done"}))["text"]
    hostile = check(HOSTILE, "done")
    assert not hostile["ok"]


# ---- KPIs ------------------------------------------------------------------------------


def test_cells_are_what_was_worked_out(server, viewer):
    base = server.base
    cells = viewer.ok("GET", f"/kpis/failures/cells?site=west&from={base}&to={base + 3 * M}")
    assert (cells["kpi"], cells["window"], cells["unit"], cells["next"]) == ("failures", "1m", "%", None)
    assert cells["items"][0] == {
        "site": "west", "begin_unix_ms": base, "end_unix_ms": base + M, "version": 1, "value": 1.5, "n": 60,
        "completeness": 1, "ready": True, "state": "final", "revisions": 0, "known_unix_ms": base + M + 500, "clock_doubt_ms": None,
        "thinned": False}
    assert [(c["value"], c["state"], c["ready"]) for c in cells["items"]] == [
        (1.5, "final", True), (None, "provisional", False), (3.25, "final_incomplete", False)]
    assert [c["n"] for c in viewer.ok("GET", "/kpis/failures/cells?window=1h")["items"]] == [62]
    assert viewer.ok("GET", "/kpis/failures/cells?window=1d")["items"] == []
    # windows that touch the range
    touched = viewer.ok("GET", f"/kpis/failures/cells?site=west&from={base + M + 1}&to={base + 2 * M + 1}")
    assert [c["begin_unix_ms"] - base for c in touched["items"]] == [M, 2 * M]


@pytest.mark.parametrize("site", [None, "west", "depot"])
@pytest.mark.parametrize("limit", [1, 2, 3, 5000])
def test_pages_of_cells_leave_none_out(server, viewer, site, limit):
    seen, after = [], None
    while True:
        query = f"?limit={limit}" + (f"&site={site}" if site else "") + (f"&after={after}" if after else "")
        page = viewer.ok("GET", "/kpis/failures/cells" + query)
        assert len(page["items"]) <= limit
        seen += [(c["site"], (c["begin_unix_ms"] - server.base) // M) for c in page["items"]]
        after = page["next"]
        if after is None:
            break
    everything = [("depot", 0), ("depot", 1), ("west", 0), ("west", 1), ("west", 2)]
    assert seen == [c for c in everything if site in (None, c[0])]


def test_latest_parts_and_corrections(server, viewer):
    latest = viewer.ok("GET", "/kpis/failures/latest")
    assert [(c["site"], c["value"]) for c in latest["items"]] == [("depot", 8), ("west", 1.5)]
    assert viewer.ok("GET", "/kpis/failures/latest?window=1d")["items"] == []
    parts = viewer.ok("GET", f"/kpis/failures/parts?window=1m&site=west&begin={server.base + 2 * M}")
    assert parts["items"] == [{"device": "west-till", "version": 1, "expected_ms": M, "covered_ms": 48000,
                               "gone_ms": 12000, "value": 3.25, "n": 2}]
    assert parts["revisions"] == [{"n": 1, "value": None, "completeness": 0.6, "state": "final_incomplete",
                                   "known_unix_ms": server.base + 4 * M, "revised_unix_ms": server.base + 5 * M,
                                   "why": "late data"}]
    nothing = viewer.ok("GET", f"/kpis/failures/parts?window=1m&site=west&begin={server.base}")
    assert [(p["device"], p["covered_ms"], p["value"]) for p in nothing["items"]] == [("west-till", 0, None)]
    assert viewer.ok("GET", "/kpis/failures/parts?window=1m&site=west&begin=7") == {"items": [], "revisions": []}


def test_runs_of_a_rule(server, viewer):
    base = server.base
    runs = viewer.ok("GET", "/rules/too-many/runs?site=west")
    assert [(r["begin_unix_ms"] - base, r["outcome"], r["windows"]) for r in runs["items"]] == [
        (0, "false", 10), (10 * M, "true", 6), (16 * M, "unknown", 2)]
    assert runs["items"][1] == {"begin_unix_ms": base + 10 * M, "end_unix_ms": base + 16 * M, "outcome": "true",
                                "windows": 6, "completeness": 0.9, "value_min": 2.5, "value_max": 8, "version": 1}
    assert runs["items"][2]["value_min"] is None and runs["next"] is None
    seen, after = [], 0
    while after is not None:
        page = viewer.ok("GET", f"/rules/too-many/runs?site=west&limit=1&after={after}")
        seen += page["items"]
        after = page["next"]
    assert seen == runs["items"]
    assert viewer.ok("GET", f"/rules/too-many/runs?site=west&from={base + 10 * M}&to={base + 16 * M}")["items"] == [seen[1]]
    assert viewer.ok("GET", "/rules/too-many/runs?site=depot")["items"] == []
    assert viewer.ok("GET", "/rules/overdue/runs?site=west")["items"] == []


# ---- cases -------------------------------------------------------------------------------


def test_cases(server, viewer):
    base = server.base
    cases = viewer.ok("GET", "/cases")
    assert [c["no"] for c in cases["items"]] == [2, 1] and cases["next"] is None
    assert cases["items"][0] == {
        "no": 2, "site": "west", "process": "orders", "case": "<i>\"B\"</i>; --", "status": "",
        "begin_unix_ms": base + 7 * M, "end_unix_ms": None, "events": 1,
        "attrs": {"amount": 12.5, "gift": True, "note": None}}
    assert [c["no"] for c in viewer.ok("GET", "/cases?open=true")["items"]] == [2]
    assert [c["no"] for c in viewer.ok("GET", f"/cases?to={base + 7 * M}")["items"]] == [1]
    assert viewer.ok("GET", "/cases?site=depot")["items"] == viewer.ok("GET", "/cases?process=other")["items"] == []
    page = viewer.ok("GET", "/cases?limit=1&site=west&process=orders")
    assert [c["no"] for c in page["items"]] == [2]
    rest = viewer.ok("GET", f"/cases?limit=1&site=west&process=orders&before={page['next']}")
    assert [c["no"] for c in rest["items"]] == [1] and rest["next"] is None
    one = viewer.ok("GET", "/cases/1")
    assert {k: one[k] for k in cases["items"][1]} == cases["items"][1]
    assert one["steps"] == [{"step": "review", "device": "west-till", "begin_unix_ms": base, "end_unix_ms": base + 5 * M,
                             "uncertainty_ms": None, "attrs": {"owner": "li.na"}}]
    assert [(e["type"], e["step"], e["unix_ms"] - base) for e in one["event_list"]] == [
        ("step.begin", "review", 0), ("step.end", "review", 5 * M), ("step.event", "", 6 * M)]
    assert [i["id"] for i in one["incidents"]] == [2]
    hostile = viewer.ok("GET", "/cases/2")
    assert hostile["steps"][0]["step"] == "<b>pick</b>" and hostile["steps"][0]["end_unix_ms"] is None
    assert hostile["incidents"] == []
    # Any device of the site may have ended it; of this one nothing has come.
    assert hostile["waits"] == [{"rule": "overdue", "deadline_unix_ms": base + 8 * M, "devices": [
        {"device": "west-till", "name": "Till", "known_until_unix_ms": None}], "more": False}]
    assert one["waits"] == []


# ---- incidents ------------------------------------------------------------------------------


def test_incidents_by_every_filter(server, viewer):
    def ids(query):
        return [i["id"] for i in viewer.ok("GET", "/incidents?" + query)["items"]]

    base = server.base
    assert ids("") == [5, 4, 3, 2, 1]
    assert ids("state=withdrawn,merged") == [4, 3] and ids("site=depot") == [5, 3]
    assert ids("rule=overdue") == [2] and ids("assignee=nobody") == []
    assert ids(f"from={base + 20 * M}") == [5, 1] and ids(f"to={base + 10 * M}") == []
    assert ids("ongoing=true") == [5, 1] and ids("before=3") == [2, 1]
    seen, before = [], None
    while True:
        page = viewer.ok("GET", "/incidents?limit=2" + (f"&before={before}" if before else ""))
        seen += [i["id"] for i in page["items"]]
        before = page["next"]
        if before is None:
            break
    assert seen == [5, 4, 3, 2, 1]


def test_one_incident_with_all_that_belongs_to_it(server, viewer):
    one = viewer.call("GET", "/incidents/2")
    base = server.base
    assert one.headers["ETag"] == f'"{one.json["version"]}"' and one.json["case_no"] == 1
    assert (one.json["rule_name"], one.json["site_name"], one.json["zone"]) == ("Overdue", "上海西分店", "Asia/Shanghai")
    assert (one.json["subject"], one.json["begin_unix_ms"], one.json["end_unix_ms"]) == (
        "orders/A-1", base + 10 * M, base + 20 * M)
    assert (one.json["state"], one.json["notice"], one.json["merged_into"]) == ("resolved", "digest", None)
    assert one.json["explanation"]["attrs"] == {"owner": "li.na"} and one.json["explanation"]["kind"] == "case_open"
    assert one.json["entries"] == [{"n": 1, "unix_ms": base + 17 * M, "actor": "system", "kind": "opened", "detail": {}}]
    silent = viewer.ok("GET", "/incidents/5")
    assert silent["rule_name"] == "silent", "no such rule any more: its id"
    assert silent["case_no"] is None and silent["end_unix_ms"] is None and silent["assignee"] is None
    assert viewer.ok("GET", "/incidents/4")["merged_into"] == 1
    first = viewer.ok("GET", "/incidents/1")
    assert [m["key"] for m in first["messages"]] == ["page/1/ops"]
    for name in ("0", "99", "x", "-1", "1e3", "9" * 40, "1;--"):
        refused(viewer.get(f"/incidents/{name}"), 404, "not_found")


def test_overview_counts_live_incidents(server, viewer):
    counts = {s["id"]: s["incidents"] for s in viewer.ok("GET", "/overview")["sites"]}
    assert counts == {"west": {"info": 0, "warning": 0, "critical": 1}, "depot": {"info": 0, "warning": 1, "critical": 0}}


ACTIONS = [("acknowledge", {}), ("assign", {"user": None}), ("resolve", {}), ("comments", {"text": "x"})]


@pytest.mark.parametrize("action,body", ACTIONS)
def test_who_may_act(server, viewer, operator, action, body):
    state = viewer.ok("GET", "/incidents/3")
    refused(viewer.call("POST", f"/incidents/3/{action}", body), 403, "forbidden")
    refused(server.visitor().call("POST", f"/incidents/3/{action}", body), 401, "not_signed_in")
    assert viewer.ok("GET", "/incidents/3") == state
    if action == "comments":  # anything can be talked about
        assert operator.call("POST", f"/incidents/3/{action}", body).status == 200
    else:
        refused(operator.call("POST", f"/incidents/3/{action}", body), 409, "conflict")
        refused(operator.call("POST", f"/incidents/4/{action}", body), 409, "conflict")
    refused(operator.call("POST", f"/incidents/99/{action}", body), 404, "not_found")
    refused(operator.call("POST", f"/incidents/x/{action}", body), 404, "not_found")


def test_from_opened_to_resolved(server, admin, operator, viewer):
    path, version = "/incidents/1", viewer.ok("GET", "/incidents/1")["version"]
    done = operator.call("POST", path + "/acknowledge", {}, headers={"If-Match": f'"{version}"'})
    assert done.status == 200 and done.json["state"] == "acknowledged"
    assert done.headers["ETag"] == f'"{done.json["version"]}"' and done.json["version"] > version
    for action, body in ACTIONS[:3]:
        stale = operator.call("POST", f"{path}/{action}", body, headers={"If-Match": f'"{version}"'})
        refused(stale, 412, "precondition_failed")
    error = errors_of(operator.call("POST", path + "/assign", {"user": "no-such-person"}))["user"]
    assert error["got"] == '"no-such-person"'
    assert errors_of(operator.call("POST", path + "/assign", {"user": "' OR 1=1"}))["user"]
    assert operator.ok("POST", path + "/assign", {"user": "looker"})["assignee"] == "looker"
    assert [i["id"] for i in viewer.ok("GET", "/incidents?assignee=looker")["items"]] == [1]
    assert operator.ok("POST", path + "/assign", {"user": None})["assignee"] is None
    said = operator.ok("POST", path + "/comments", {"text": HOSTILE + "\n\tsecond line"})
    assert said["entries"][-1]["detail"]["text"] == HOSTILE + "\n\tsecond line"
    assert said["entries"][-1]["actor"] == "li.na" and said["entries"][-1]["kind"] == "commented"
    for text in ("", "  \n", "a\u0001b", "a\u007f", "x" * 4001, None, 7):
        assert errors_of(operator.call("POST", path + "/comments", {"text": text}))["text"]
    assert operator.ok("POST", path + "/comments", {"text": "界" * 1333})["entries"][-1]["detail"]["text"] == "界" * 1333
    closed = admin.ok("POST", path + "/resolve", {"comment": "power was back"})
    assert closed["state"] == "resolved" and closed["end_unix_ms"] is None, "a person may resolve one that goes on"
    assert closed["entries"][-1]["kind"] == "resolved" and closed["entries"][-1]["actor"] == "boss"
    assert [e["kind"] for e in closed["entries"]] == ["opened", "acknowledged", "assigned", "assigned", "commented",
                                                      "commented", "resolved"]
    counts = {s["id"]: s["incidents"] for s in viewer.ok("GET", "/overview")["sites"]}
    assert counts["west"] == {"info": 0, "warning": 0, "critical": 0}, "told at once"
    rows = database(server, "SELECT actor, action FROM audit WHERE subject = 'incident/1' ORDER BY n")
    assert [r["action"] for r in rows] == ["incident.acknowledge", "incident.assign", "incident.assign",
                                           "incident.comment", "incident.comment", "incident.resolve"]
    assert rows[0]["actor"] == "li.na" and rows[-1]["actor"] == "boss"


def test_people_are_all_who_can_sign_in(server, admin, viewer):
    admin.ok("POST", "/users", {"name": "zoe", "display_name": HOSTILE[:60], "password": PASSWORD})
    admin.ok("POST", "/users", {"name": "gone", "password": PASSWORD, "disabled": True})
    people = viewer.ok("GET", "/people")
    names = {p["name"]: p["display_name"] for p in people["items"]}
    assert names["zoe"] == HOSTILE[:60] and "gone" not in names and people["next"] is None
    assert all(set(p) == {"name", "display_name"} for p in people["items"])
    refused(admin.call("POST", "/incidents/5/assign", {"user": "gone"}), 422, "invalid_field")


# ---- messages ---------------------------------------------------------------------------------


def test_messages_and_their_words(server, viewer, operator):
    items = {m["key"]: m for m in operator.ok("GET", "/messages")["items"]}
    page, digest, broken = items["page/1/ops"], items["digest/west/1-2-2/ops"], items["ended/1/gone"]
    at = server.base + 20 * M
    assert (page["kind"], page["site"], page["incident"], page["channel_name"]) == ("page", "west", 1, "Operations")
    assert (page["state"], page["tries"], page["answer"], page["sent_unix_ms"]) == ("sent", 1, "250 <ok>", at + 900)
    assert "<b>Too many</b>" in page["subject"] + page["text"] and "West" in page["text"]
    assert "https://board.example/" in page["text"], "as it was sent"
    for message in [*viewer.ok("GET", "/messages")["items"], *viewer.ok("GET", "/incidents/1")["messages"]]:
        assert message == {**items[message["key"]], "answer": ""}, "answers of receivers may name addresses"
    assert digest["kind"] == "digest" and digest["incident"] is None and "<b>Too many</b>" in digest["text"]
    assert (broken["subject"], broken["text"], broken["channel_name"]) == ("", "", "gone"), "hides nothing else"

    def keys(query):
        return [m["key"] for m in viewer.ok("GET", "/messages?" + query)["items"]]

    assert keys("state=sent") == ["page/1/ops"] and keys("incident=1") == ["page/1/ops"]
    assert keys("channel=gone") == ["ended/1/gone"] and keys("incident=2") == [] and keys("state=refused") == []
    seen, before = [], None
    while True:
        query = "limit=1" + (f"&before={before}" if before else "")
        answer = viewer.ok("GET", "/messages?" + query)
        seen += [m["id"] for m in answer["items"]]
        before = answer["next"]
        if before is None:
            break
    assert seen == sorted(seen, reverse=True) and len(seen) >= 3


def test_words_are_in_the_channels_language(server, admin, viewer):
    english = viewer.ok("GET", "/incidents/1")["messages"][0]
    admin.ok("PATCH", "/channels/ops", {"language": "zh-CN"})
    chinese = viewer.ok("GET", "/incidents/1")["messages"][0]
    admin.ok("PATCH", "/channels/ops", {"language": "en"})
    assert chinese["text"] != english["text"] and re.search("[\u4e00-\u9fff]", chinese["text"])
    assert viewer.ok("GET", "/incidents/1")["messages"][0] == english


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("target,field", [
    ("/kpis?limit=0", "limit"), ("/kpis?limit=1001", "limit"), ("/kpis/failures/versions?before=x", "before"),
    ("/kpis/failures/cells?window=2m", "window"), ("/kpis/failures/cells?limit=5001", "limit"),
    ("/kpis/failures/cells?from=5&to=5", "to"), ("/kpis/failures/cells?site=../x", "site"),
    ("/kpis/failures/cells?after=west", "after"), ("/kpis/failures/cells?after=@5", "after"),
    ("/kpis/failures/cells?after=west@-5", "after"), ("/kpis/failures/cells?after=WEST@5", "after"),
    ("/kpis/failures/cells?after=" + "a" * 70 + "@5", "after"),
    ("/kpis/failures/latest?window=", "window"), ("/kpis/failures/parts?window=1m&site=west", "begin"),
    ("/kpis/failures/parts?site=west&begin=1", "window"), ("/kpis/failures/parts?window=1m&begin=1", "site"),
    ("/kpis/failures/parts?window=1m&site=west&begin=x", "begin"),
    ("/rules/too-many/runs", "site"), ("/rules/too-many/runs?site=west&after=1.5", "after"),
    ("/rules/too-many/runs?site=west&from=9&to=8", "to"),
    ("/cases?open=maybe", "open"), ("/cases?process=a/b", "process"), ("/cases?before=1;--", "before"),
    ("/cases?from=-1", "from"), ("/incidents?state=open,", "state"), ("/incidents?state=closed", "state"),
    ("/incidents?state=,", "state"), ("/incidents?limit=501", "limit"), ("/incidents?assignee='", "assignee"),
    ("/incidents?before=1'", "before"), ("/incidents?to=99999999999999999", "to"),
    ("/messages?state=lost", "state"), ("/messages?incident=0", "incident"), ("/messages?incident=x", "incident"),
    ("/messages?limit=501", "limit"), ("/people?limit=1", "limit"),
])
def test_bad_parameters_are_named(viewer, target, field):
    assert field in errors_of(viewer.get(target.replace("'", "%27")))


@pytest.mark.parametrize("target", [
    "/kpis/none/cells", "/kpis/none/latest", "/kpis/none/parts?window=1m&site=west&begin=1", "/rules/none/runs?site=west",
    "/kpis/too-many", "/kpis/too-many/cells", "/rules/failures", "/rules/failures/runs?site=west", "/cases/0", "/cases/x",
    "/cases/99", "/processes/%27%20OR%201=1", "/channels/none/versions",
])
def test_what_is_not_there_is_not_found(admin, target):
    refused(admin.get(target), 404, "not_found")


def test_operator_sees_channels_and_a_viewer_does_not(viewer, operator):
    for path in ("/channels", "/channels/ops", "/channels/ops/versions"):
        refused(viewer.get(path), 403, "forbidden")
        assert operator.get(path).status == 200
    for kind in KINDS:
        refused(operator.call("POST", f"/{kind}", KINDS[kind]), 403, "forbidden")
        refused(operator.call("PATCH", f"/{kind}/page-0", {}), 403, "forbidden")
    refused(operator.get("/users"), 403, "forbidden")
    refused(operator.call("POST", "/expressions/check", {"text": "true", "use": "done"}), 403, "forbidden")


# ---- clocks that are not sure ------------------------------------------------------------


def test_what_a_clock_is_not_sure_of_is_flagged(server, viewer):
    """The last one here: it makes two minutes of the site doubtful, by a minute and a half."""
    base = server.base
    server.order("doubt", "west-till", str(base), str(2 * M), "90000")
    cells = viewer.ok("GET", f"/kpis/failures/cells?site=west&from={base}&to={base + 3 * M}")["items"]
    assert [c["clock_doubt_ms"] for c in cells] == [90000, 90000, None]
    assert [c["value"] for c in cells] == [1.5, None, 3.25], "flagged, not left out"
    hours = viewer.ok("GET", "/kpis/failures/cells?window=1h")["items"]
    assert [c["clock_doubt_ms"] for c in hours] == [None], "an hour is longer than the doubt"
    latest = viewer.ok("GET", "/kpis/failures/latest?window=1m")["items"]
    assert latest and all("clock_doubt_ms" in c for c in latest)

    case = viewer.ok("GET", "/cases/1")
    assert [s["uncertainty_ms"] for s in case["steps"]] == [90000]
    assert {e["unix_ms"]: e["uncertainty_ms"] for e in case["event_list"]}[base] == 90000
    assert {e["uncertainty_ms"] for e in case["event_list"] if e["unix_ms"] > base + 2 * M} == {None}

    def incidents():
        return {i["id"]: i["clock_doubt_ms"] for i in viewer.ok("GET", "/incidents")["items"]}

    assert set(incidents().values()) == {None}
    server.order("doubt", "west-till", str(base + 12 * M), str(M), "61000")
    assert incidents()[1] == 61000 and incidents()[3] is None, "at another site"
    assert viewer.ok("GET", "/incidents/1")["clock_doubt_ms"] == 61000

    events = viewer.ok("GET", f"/devices/west-till/events?from={base}&to={base + 6 * M}")["items"]
    assert [(e["type"], e["uncertainty_ms"]) for e in events if e["type"] == "clock.jump"] == [("clock.jump", 90000)]
    series = viewer.ok("GET", "/devices/west-till/series")["items"][0]["id"]
    answer = viewer.ok("GET", f"/query?series={series}&from={base}&to={base + 6 * M}&step={M}")["series"][0]
    assert answer["doubts"] == [
        {"from_unix_ms": base, "to_unix_ms": base + 2 * M, "uncertainty_ms": 90000}]
