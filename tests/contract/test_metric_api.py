"""One metric over many devices: queries, latest values, exports, what is stored."""

import contextlib
import csv
import io
import sqlite3
import time
import urllib.parse

import pytest

from api_process import Server, refused

MINUTE, HOUR = 60000, 3600000


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Three devices of two sites with two hours of telemetry each, the second hour begun ten minutes late ("off")."""
    server = Server(tmp_path_factory.mktemp("metrics"))
    ok = server.admin.ok
    for site, region in (("west", "Asia/China"), ("east", "Asia/Japan")):
        ok("POST", "/sites", {"id": site, "name": site.title(), "region": region})
    for device, site in (("west-a", "west"), ("west-b", "west"), ("east-a", "east")):
        ok("POST", "/devices", {"id": device, "name": device.upper(), "site": site})
        server.order("seed", device)
    # They were there before their telemetry began: the API itself changes no past.
    with contextlib.closing(sqlite3.connect(server.folder / "state" / "control.db", timeout=10)) as db, db:
        assert db.execute("UPDATE service SET from_unix_ms = from_unix_ms - 86400000").rowcount == 3
    ok("POST", "/sites", {"id": "south", "name": "South"})
    yield server
    server.stop()


@pytest.fixture(scope="module")
def viewer(fleet):
    return fleet.person("wanda")


@pytest.fixture(scope="module")
def span(viewer):
    """Whole hours around all telemetry."""
    seen = [s for d in ("west-a", "east-a") for s in viewer.ok("GET", f"/devices/{d}/series")["items"]]
    first, last = min(s["first_unix_ms"] for s in seen), max(s["last_unix_ms"] for s in seen)
    return first // HOUR * HOUR, (last // HOUR + 1) * HOUR


def ask(viewer, span, **more):
    query = {"from": span[0], "to": span[1], **more}
    return viewer.ok("GET", "/metrics/query?" + urllib.parse.urlencode(query))


def samples(viewer, span, device, name):
    """(n, sum, min, max) of a series, by the older way of asking."""
    ids = [s["id"] for s in viewer.ok("GET", f"/devices/{device}/series")["items"] if s["name"] == name]
    points = viewer.ok("GET", f"/query?series={ids[0]}&from={span[0]}&to={span[1]}&step={span[1] - span[0]}")[
        "series"][0]["points"]
    return points["n"][0], points["mean"][0] * points["n"][0], points["min"][0], points["max"][0]


def test_metrics_and_their_labels(viewer):
    items = viewer.ok("GET", "/metrics")["items"]
    assert [(m["name"], m["unit"], m["kinds"], m["series"], m["devices"], m["interval_ms"]) for m in items] == [
        ("cpu_used_pct", "pct", ["gauge"], 3, 3, 10000), ("memory_used_pct", "pct", ["gauge"], 3, 3, 10000),
        ("net_received_bytes_total", "bytes", ["counter"], 3, 3, 10000), ("probe_up", "1", ["gauge"], 3, 3, 60000)]
    page = viewer.ok("GET", "/metrics?limit=2")
    assert len(page["items"]) == 2 and page["next"] == "memory_used_pct"
    assert [m["name"] for m in viewer.ok("GET", "/metrics?after=memory_used_pct")["items"]] == [
        "net_received_bytes_total", "probe_up"]
    labels = viewer.ok("GET", "/metrics/labels?metric=net_received_bytes_total")
    assert labels["items"] == [{"key": "interface", "values": ["eth0"], "more": False}] and labels["series"] == 3
    refused(viewer.get("/metrics/labels?metric=nothing"), 404, "not_found")


MANY = 5000  # a megabyte of rows at one instant


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A device whose series have more label keys than an answer names, and a label that is hard to quote."""
    server = Server(tmp_path_factory.mktemp("odd"))
    server.admin.ok("POST", "/sites", {"id": "west", "name": "West"})
    server.admin.ok("POST", "/devices", {"id": "west-a", "name": "A", "site": "west"})
    server.order("seed", "west-a")
    server.order("labels", "west-a", str(MANY))
    yield server.person("wanda")
    server.stop()


def test_label_keys_are_at_most_a_hundred(odd):
    many = odd.ok("GET", "/metrics/labels?metric=many_keys")
    assert many["series"] == MANY and many["more"] is True
    assert many["items"] == [{"key": f"key_{i:03}", "values": ["x"], "more": False} for i in range(100)]
    few = odd.ok("GET", "/metrics/labels?metric=odd_labels")
    assert few["more"] is False and few["items"] == [
        {"key": "a=b", "values": ["c,d=e\\f"], "more": False}, {"key": "g", "values": [""], "more": False}]


def test_catalogue_says_what_metrics_are(viewer):
    catalogue = viewer.ok("GET", "/metrics/catalogue")
    units = {u["name"]: u["text"] for u in catalogue["units"]}
    rows = {m["name"]: m for m in catalogue["items"]}
    assert len(rows) == len(catalogue["items"]) > 40 and units["pct"] == {"en": "%", "zh": "%"}
    for m in catalogue["items"]:
        assert m["unit"] in units and all(m["description"].values()), m
    assert rows["net_received_bytes_total"] == {
        "name": "net_received_bytes_total", "area": "network", "kind": "counter", "unit": "bytes",
        "description": {"en": "Bytes received on the interface", "zh": "接口接收的字节数"}}
    for m in viewer.ok("GET", "/metrics")["items"]:
        assert (rows[m["name"]]["unit"], [rows[m["name"]]["kind"]]) == (m["unit"], m["kinds"])


@pytest.mark.parametrize("agg,pick", [
    ("avg", lambda rows: sum(r[1] for r in rows) / sum(r[0] for r in rows)),
    ("sum", lambda rows: sum(r[1] for r in rows)),
    ("count", lambda rows: sum(r[0] for r in rows)),
    ("min", lambda rows: min(r[2] for r in rows)),
    ("max", lambda rows: max(r[3] for r in rows)),
    ("total", lambda rows: sum(r[1] / r[0] for r in rows)),
])
def test_aggregates_are_those_of_all_samples(viewer, span, agg, pick):
    length = span[1] - span[0]
    rows = {d: samples(viewer, span, d, "cpu_used_pct") for d in ("west-a", "west-b", "east-a")}
    whole = ask(viewer, span, metric="cpu_used_pct", agg=agg, step=length, align="false")
    assert whole["t"] == [span[0]] and whole["series"] == 3 and whole["relative_error"] is None
    assert whole["groups"][0]["value"] == [pytest.approx(pick(rows.values()))]
    assert whole["groups"][0]["covered"] == [3] and whole["samples"] == sum(r[0] for r in rows.values())
    by_site = ask(viewer, span, metric="cpu_used_pct", agg=agg, step=length, group="site", align="false")
    assert [(g["key"], g["name"], g["series"]) for g in by_site["groups"]] == [("east", "East", 1), ("west", "West", 2)]
    assert by_site["groups"][1]["value"] == [pytest.approx(pick([rows["west-a"], rows["west-b"]]))]


def test_groups_and_filters(viewer, span):
    def keys(**more):
        return [(g["key"], g["series"]) for g in ask(viewer, span, metric="cpu_used_pct", step=HOUR, **more)["groups"]]

    assert keys() == [(None, 3)]
    assert keys(group="device") == [("east-a", 1), ("west-a", 1), ("west-b", 1)]
    assert keys(group="region") == [("Asia/China", 2), ("Asia/Japan", 1)]
    assert keys(group="region", depth=1) == [("Asia", 3)]
    assert keys(group="label", group_label="interface") == [(None, 3)]
    assert keys(site="west") == [(None, 2)]
    assert keys(region="Asia") == [(None, 3)] and keys(region="Asia/Japan") == [(None, 1)] and keys(region="As") == []
    assert keys(device="west-b", group="site") == [("west", 1)]
    net = ask(viewer, span, metric="net_received_bytes_total", step=HOUR, group="label", group_label="interface",
              labels="interface=eth0")
    assert [(g["key"], g["series"]) for g in net["groups"]] == [("eth0", 3)]
    assert ask(viewer, span, metric="net_received_bytes_total", step=HOUR, labels="interface=eth1")["groups"] == []


def test_rates_add_up_and_percentiles_say_their_error(viewer, span):
    rate = ask(viewer, span, metric="net_received_bytes_total", step=10 * MINUTE)
    assert rate["agg"] == "rate", "what suits a counter"
    steady = [v for v, n in zip(rate["groups"][0]["value"], rate["groups"][0]["n"]) if n == 180]
    assert len(steady) >= 8 and steady == [pytest.approx(3000)] * len(steady)
    p95 = ask(viewer, span, metric="cpu_used_pct", agg="p95", step=span[1] - span[0], align="false")
    export = rows_of(viewer, span, metric="cpu_used_pct")
    values = sorted(float(r["value"]) for r in export)
    exact = values[int(0.95 * (len(values) - 1))]
    assert p95["relative_error"] == 0.01
    assert p95["groups"][0]["value"] == [pytest.approx(exact, rel=0.01)]


@pytest.mark.parametrize("step", [30000, 7 * MINUTE, 10 * MINUTE, HOUR])
def test_a_rate_is_the_same_for_one_series_and_for_many(viewer, span, step):
    name = "net_received_bytes_total"
    (number,) = [s["id"] for s in viewer.ok("GET", "/devices/west-a/series")["items"] if s["name"] == name]
    many = ask(viewer, span, metric=name, agg="rate", device="west-a", step=step, align="false")
    one = viewer.ok("GET", f"/query?series={number}&from={many['from_unix_ms']}&to={many['to_unix_ms']}"
                           f"&step={many['step_ms']}&rate=true")["series"][0]["points"]
    assert one["t"] == many["t"] and sum(v is not None for v in one["mean"]) > 1
    assert one["mean"] == pytest.approx(many["groups"][0]["value"])
    for low, mean, high in zip(one["min"], one["mean"], one["max"]):
        assert mean is None or low <= mean <= high


def test_gaps_are_named_and_never_joined(viewer, span):
    answer = ask(viewer, span, metric="cpu_used_pct", step=5 * MINUTE, device="west-a")
    group = answer["groups"][0]
    assert len(group["value"]) == answer["steps"] == (span[1] - span[0]) // (5 * MINUTE)
    for i, (value, n) in enumerate(zip(group["value"], group["n"])):
        in_gap = any(g["from_unix_ms"] <= answer["t"][i] < g["to_unix_ms"] for g in group["gaps"])
        assert (value is None) == (n == 0) == in_gap
    assert "no_data" in {g["reason"] for g in group["gaps"]}
    now = int(time.time() * 1000)
    ahead = ask(viewer, (now + HOUR, now + 3 * HOUR), metric="cpu_used_pct", step=HOUR, device="west-a")
    assert {g["reason"] for g in ahead["groups"][0]["gaps"]} == {"future"}


@pytest.mark.parametrize("more", [{"group": "all"}, {"group": "site"}, {"device": "west-a"}])
def test_before_the_first_device_nothing_is_missing(fleet, viewer, span, more):
    with contextlib.closing(sqlite3.connect(fleet.folder / "state" / "control.db", timeout=10)) as db:
        began = min(row[0] for row in db.execute("SELECT from_unix_ms FROM service"))
    hour = began // HOUR * HOUR
    answer = ask(viewer, (hour - 3 * HOUR, hour + 3 * HOUR), metric="cpu_used_pct", step=HOUR, **more)
    for group in answer["groups"]:
        gaps = [(g["from_unix_ms"], g["to_unix_ms"], g["reason"]) for g in group["gaps"]]
        if "group" in more and more["group"] == "site" and group["key"] is None:
            assert gaps == [(hour - 3 * HOUR, hour + 3 * HOUR, "not_in_service")]  # nobody is ever without a site
        else:  # the step in which it began lacks something
            assert gaps == [(hour - 3 * HOUR, hour, "not_yet_installed"), (hour, hour + 3 * HOUR, "no_data")]
    # Nor is it in a range that ends before.
    earlier = (hour - 3 * HOUR, hour)
    for group in ask(viewer, earlier, metric="cpu_used_pct", step=HOUR, **more)["groups"]:
        if group["key"] is not None or more.get("group") != "site":
            assert group["gaps"] == [
                {"from_unix_ms": earlier[0], "to_unix_ms": earlier[1], "reason": "not_yet_installed"}]


def test_steps_begin_where_they_can_be_read_best_unless_told_otherwise(viewer, span):
    odd = span[0] + 123
    aligned = ask(viewer, (odd, span[1]), metric="cpu_used_pct", step=5 * MINUTE)
    exact = ask(viewer, (odd, span[1]), metric="cpu_used_pct", step=5 * MINUTE, align="false")
    assert aligned["from_unix_ms"] == span[0] and exact["from_unix_ms"] == exact["t"][0] == odd
    assert ask(viewer, span, metric="cpu_used_pct", points=12)["step_ms"] in (15 * MINUTE, 30 * MINUTE)
    reads = aligned["resolution"]
    assert reads[0]["from_unix_ms"] == aligned["from_unix_ms"] and reads[-1]["to_unix_ms"] == aligned["to_unix_ms"]
    assert all(a["to_unix_ms"] == b["from_unix_ms"] for a, b in zip(reads, reads[1:]))


@pytest.mark.parametrize("query,status,code", [
    ({"metric": "nothing"}, 404, "not_found"),
    ({"metric": "cpu_used_pct", "agg": "median"}, 422, "invalid_field"),
    ({"metric": "cpu_used_pct", "agg": "rate"}, 422, "invalid_field"),
    ({"metric": "net_received_bytes_total", "agg": "p95"}, 422, "invalid_field"),
    ({"metric": "cpu_used_pct", "group": "label"}, 422, "invalid_field"),
    ({"metric": "cpu_used_pct", "group_label": "x"}, 422, "invalid_field"),
    ({"metric": "cpu_used_pct", "depth": 1}, 422, "invalid_field"),
    ({"metric": "cpu_used_pct", "labels": "x"}, 422, "invalid_field"),
    ({"metric": "cpu_used_pct", "step": 1000, "points": 5}, 422, "invalid_field"),
    ({"metric": "cpu_used_pct", "to": 1}, 422, "invalid_field"),
    ({"metric": "cpu_used_pct", "step": 1}, 422, "too_many_points"),
    ({"metric": "x" * 65}, 422, "invalid_field"),
    ({}, 422, "invalid_field"),
])
def test_bad_questions(viewer, span, query, status, code):
    query = {"from": span[0], "to": span[1], **query}
    refused(viewer.get("/metrics/query?" + urllib.parse.urlencode(query)), status, code)


def test_a_large_answer_is_the_same_while_it_is_streamed(viewer, span):
    """3 x 4,800 values: more than what is made before it is sent; four small answers say the same."""
    def by_device(begin, length):
        return viewer.get("/metrics/query?" + urllib.parse.urlencode(
            {"from": begin, "to": begin + length, "metric": "cpu_used_pct", "step": 1500, "group": "device"}))

    long = by_device(span[0], 2 * HOUR)
    assert long.status == 200 and "Content-Length" not in long.headers
    assert long.headers["Transfer-Encoding"] == "chunked"
    short = [by_device(span[0] + i * HOUR // 2, HOUR // 2) for i in range(4)]
    assert all("Content-Length" in a.headers for a in short)
    assert long.json["t"] == [t for a in short for t in a.json["t"]]
    for i, group in enumerate(long.json["groups"]):
        for column in ("value", "n", "covered", "unknown"):
            assert group[column] == [v for a in short for v in a.json["groups"][i][column]]
    assert viewer.raw("HEAD", "/api/v1/metrics/query?" + urllib.parse.urlencode(
        {"from": span[0], "to": span[0] + 2 * HOUR, "metric": "cpu_used_pct", "step": 1500, "group": "device"})).body == b""


def rows_of(viewer, span, **more):
    answer = viewer.get("/metrics/export?" + urllib.parse.urlencode({"from": span[0], "to": span[1], **more}))
    assert answer.status == 200 and answer.headers["Content-Disposition"].startswith("attachment; filename=")
    text = answer.body.decode("utf-8")
    assert text.endswith("\r\n") and "\n" not in text.replace("\r\n", "")
    return list(csv.DictReader(io.StringIO(text)))


def test_export_of_samples_has_every_one(viewer, span):
    rows = rows_of(viewer, span, metric="net_received_bytes_total")
    assert list(rows[0]) == ["time", "unix_ms", "device", "site", "labels", "value", "count", "state"]
    for device in ("west-a", "west-b", "east-a"):
        n, total, low, high = samples(viewer, span, device, "net_received_bytes_total")
        mine = [r for r in rows if r["device"] == device]
        times = [int(r["unix_ms"]) for r in mine]
        assert len(mine) == n and times == sorted(times)
        assert sum(float(r["value"]) for r in mine) == pytest.approx(total)
        assert {r["site"] for r in mine} == {device.split("-")[0]} and {r["labels"] for r in mine} == {"interface=eth0"}
    assert rows[0]["time"] == time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(rows[0]["unix_ms"]) // 1000)) + ".%03dZ" % (
        int(rows[0]["unix_ms"]) % 1000)
    part = rows_of(viewer, (int(rows[5]["unix_ms"]), int(rows[9]["unix_ms"])), metric="net_received_bytes_total",
                   device=rows[5]["device"])
    assert part == rows[5:9]


def test_export_of_steps_says_what_the_query_says(viewer, span):
    answer = ask(viewer, span, metric="cpu_used_pct", step=5 * MINUTE, group="site", agg="max")
    rows = rows_of(viewer, span, metric="cpu_used_pct", step=5 * MINUTE, group="site", agg="max")
    wanted = [(t, g["key"], g["name"], v, n) for g in answer["groups"] for t, v, n in zip(answer["t"], g["value"], g["n"])]
    assert [(int(r["unix_ms"]), r["group"], r["name"], float(r["value"]) if r["value"] else None, int(r["samples"]))
            for r in rows] == wanted
    marked = viewer.get(f"/metrics/export?metric=cpu_used_pct&from={span[0]}&to={span[1]}&step={HOUR}&bom=true")
    assert marked.body.startswith(b"\xef\xbb\xbftime,")
    refused(viewer.get(f"/metrics/export?metric=nothing&from={span[0]}&to={span[1]}"), 404, "not_found")


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def unread(person, target):
    """A connection with an answer on its way that nobody reads; a Unix socket holds 208 KiB, whatever it learns."""
    conn = person.connection()
    conn.request("GET", "/api/v1" + target)
    conn.response = conn.getresponse()
    assert conn.response.status == 200
    return conn


def test_one_user_cannot_hold_all_exports(fleet, span):
    admin, bob = fleet.admin, fleet.person("bob")
    query = {"from": span[0], "to": span[0] + 2 * HOUR, "metric": "cpu_used_pct", "step": 1500, "group": "device"}
    large = "/metrics/export?" + urllib.parse.urlencode(query)
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(contextlib.closing(unread(admin, large))) for _ in range(2)]
        answer = admin.get(large)
        refused(answer, 429, "too_many_requests")
        assert int(answer.headers["Retry-After"]) > 0 and "2 exports" in answer.json["detail"]
        assert len(bob.get(large).body.splitlines()) == 1 + 3 * 4800
        text = [one.response.read() for one in held]
        assert all(len(t.splitlines()) == 1 + 3 * 4800 and len(t) > 800_000 for t in text)  # they are whole
    # The turn is given back a moment after the last byte.
    until(lambda: admin.get(large).status == 200)


@pytest.mark.parametrize("more", [{"agg": "max"}, {"group": "site"}, {"align": "true"}, {"group": "region", "depth": 1}])
def test_export_takes_what_belongs_to_steps_only_with_a_step(viewer, span, more):
    query = {"from": span[0], "to": span[1], "metric": "cpu_used_pct", **more}
    answer = viewer.get("/metrics/export?" + urllib.parse.urlencode(query))
    refused(answer, 422, "invalid_field")
    assert [e["field"] for e in answer.json["errors"]] == ["step"]
    assert rows_of(viewer, span, **{"step": HOUR, "metric": "cpu_used_pct", **more})


def test_export_writes_labels_as_the_filter_takes_them(odd):
    now = int(time.time() * 1000)
    rows = rows_of(odd, (now - 3 * HOUR, now + HOUR), metric="odd_labels")
    assert [r["labels"] for r in rows] == ["a\\=b=c\\,d\\=e\\\\f,g="]
    assert rows_of(odd, (now - 3 * HOUR, now + HOUR), metric="odd_labels", labels=rows[0]["labels"]) == rows


def test_export_of_very_many_series_has_every_one(odd):
    now = int(time.time() * 1000)
    rows = rows_of(odd, (now - 3 * HOUR, now + HOUR), metric="many_keys")
    assert len({r["unix_ms"] for r in rows}) == 1 and sorted(int(r["value"]) for r in rows) == list(range(MANY))


def test_latest_of_all(fleet, viewer):
    answer = viewer.ok("GET", "/metrics/latest?metric=cpu_used_pct")
    assert answer["device"] == ["east-a", "west-a", "west-b"] and answer["site"] == ["east", "west", "west"]
    for i, device in enumerate(answer["device"]):
        series = {s["name"]: s for s in viewer.ok("GET", f"/devices/{device}/series")["items"]}["cpu_used_pct"]
        assert answer["series"][i] == series["id"]
        assert 0 <= series["last_unix_ms"] - answer["unix_ms"][i] <= 10000
        assert answer["value"][i] is not None and answer["state"][i] in ("current", "stale")
    assert viewer.ok("GET", "/metrics/latest?metric=cpu_used_pct&site=west")["device"] == ["west-a", "west-b"]
    assert viewer.ok("GET", "/metrics/latest?metric=cpu_used_pct&region=Asia/Japan")["device"] == ["east-a"]
    assert viewer.ok("GET", "/metrics/latest?metric=cpu_used_pct&device=west-b")["device"] == ["west-b"]
    assert viewer.ok("GET", "/metrics/latest?metric=net_received_bytes_total&labels=interface%3Deth1")["device"] == []
    two = viewer.ok("GET", "/metrics/latest?metric=cpu_used_pct&limit=2")
    assert two["more"] and len(two["device"]) == len(two["value"]) == 2
    fleet.order("probe", "east-a", "0")
    probe = viewer.ok("GET", "/metrics/latest?metric=probe_up&device=east-a")
    assert probe["value"] == [0] and probe["state"] == ["current"]
    refused(viewer.get("/metrics/latest?metric=nothing"), 404, "not_found")


def test_storage(viewer):
    answer = viewer.ok("GET", "/storage")
    assert answer["database"]["bytes"] > 0 and answer["database"]["batches"] > 0
    assert answer["compaction"]["state"] in ("off", "idle", "working")
