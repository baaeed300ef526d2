"""What was thinned, as the API tells it: the band over its span, and the reason in the ledger."""

import pytest

from api_process import Server, evaluated

H, M = 3600000, 60000


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("thinned"))
    server.admin.ok("POST", "/sites", {"id": "west", "name": "West", "zone": "UTC"})
    server.admin.ok("POST", "/devices", {"id": "west-till", "site": "west", "name": "Till"})
    server.order("seed", "west-till")
    server.admin.ok("POST", "/sites", {"id": "depot", "name": "Depot", "zone": "UTC"})
    server.order("thin", "west-till", "0")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def viewer(server):
    return server.person("looker")


@pytest.fixture(scope="module")
def series(viewer):
    return {s["name"]: s for s in viewer.ok("GET", "/devices/west-till/series")["items"]}


def ask(viewer, one, begin, end, step, rate="false"):
    answer = viewer.ok("GET", f"/query?series={one['id']}&from={begin}&to={end}&step={step}&rate={rate}")
    return answer["series"][0]


def test_series_say_which_steps_are_thinned(viewer, series):
    cpu = series["cpu_used_pct"]
    start = cpu["first_unix_ms"]
    got = ask(viewer, cpu, start + H + 30 * M, start + 3 * H, 5 * M)
    assert got["thinned"] == [{"from_unix_ms": start + 2 * H, "to_unix_ms": start + 3 * H}]
    assert got["gaps"] == []
    points = got["points"]
    assert points["n"] == [30] * 18, "as many as they stand for"
    # The values are 10 to 16 in turn: see api_server.
    assert points["min"] == [10] * 18 and points["max"] == [16] * 18
    assert all(12.5 < v < 13.5 for v in points["mean"])


def test_steps_within_a_window_have_its_values(viewer, series):
    cpu = series["cpu_used_pct"]
    begin = cpu["first_unix_ms"] + 2 * H + 10 * M
    got = ask(viewer, cpu, begin, begin + 5 * M, M)
    assert got["points"]["n"] == [0, 0, 0, 0, 30], "its time is that of the last sample"
    assert got["points"]["min"] == [10] * 5 and got["points"]["max"] == [16] * 5
    assert len(set(got["points"]["mean"])) == 1
    assert got["thinned"] == [{"from_unix_ms": begin, "to_unix_ms": begin + 5 * M}]


def test_what_is_there_one_by_one_is_not_thinned(viewer, series):
    cpu = series["cpu_used_pct"]
    assert ask(viewer, cpu, cpu["first_unix_ms"], cpu["first_unix_ms"] + H, 5 * M)["thinned"] == []


def test_a_rate_goes_on_through_what_was_thinned(viewer, series):
    net = series["net_received_bytes_total"]
    begin = net["first_unix_ms"] + 2 * H
    got = ask(viewer, net, begin, begin + H, 5 * M, "true")
    assert got["points"]["mean"] == pytest.approx([1000] * 12)


def test_the_ledger_names_it_and_nothing_is_unexplained_for_it(viewer):
    (entry,) = [g for g in viewer.ok("GET", "/gaps?device=west-till")["items"] if g["reason"] == "thinned"]
    assert (entry["samples"], entry["stream"]) == (1080, "host")
    assert entry["seq_last"] - entry["seq_first"] == 59
    (total,) = [r for r in viewer.ok("GET", "/gaps/totals")["reasons"] if r["reason"] == "thinned"]
    assert (total["entries"], total["batches"], total["samples"]) == (1, 60, 1080)
    assert {m["stream"] for m in viewer.ok("GET", "/gaps/unexplained")["items"]} <= {"probes"}


def test_cells_say_that_their_stream_was_thinned(server, viewer):
    """The last one here: it thins more. The KPI is one of probes."""
    base = evaluated(server, "west", "west-till", "depot")

    def cells():
        found = viewer.ok("GET", f"/kpis/failures/cells?site=west&from={base}&to={base + 3 * M}")["items"]
        assert [c["value"] for c in found] == [1.5, None, 3.25]
        return [c["thinned"] for c in found]

    assert cells() == [False] * 3, "another stream of the device was"
    server.order("thin", "west-till", "1")
    assert cells() == [True] * 3
    assert all(c["thinned"] for c in viewer.ok("GET", "/kpis/failures/latest?window=1m")["items"] if c["site"] == "west")
    others = viewer.ok("GET", "/kpis/failures/cells?site=depot")["items"]
    assert not any(c["thinned"] for c in others), "at another site"
