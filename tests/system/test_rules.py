"""From a step and a probe at the branch to an alarm at the centre: rule R1 (an order that takes too
long) and R2 (an API that fails in consecutive minutes), live, cut off over the breach, and with a gap.

All of it is one history of three sites at once, since minutes are minutes: `live` sees what happens,
`cut` sees the same behind a cut link, `gap` loses half a minute. Times are event times; API failures
begin and end with a minute (some seconds after, some before, since this machine may be late), so that intervals are
known exactly.
The default run wants 2 minutes in a row, BL_LONG=1 the 5 of the example.
"""

import http.server
import os
import threading
import time

import pytest

from support.centre import Centre
from support.oracle import silence
from support.proxy import Proxy
from support.wait import wait_for

FOR = 5 if os.environ.get("BL_LONG") else 2
LIMIT_MS = 8000
MINUTE_MS = 60_000
# Shorter than how long the past of the cut site lies back, longer than a cut of 60 s takes to arrive.
FRESH_S = 100
SITES = ("live", "cut", "gap")
NOTICE = f"notice: {{ fresh: {FRESH_S}s, digest_quiet: 10s, digest_max: 10m }}\n"


def share(probe):
    return {"id": f"failing-{probe}", "name": f"Failures of {probe}", "source": "probe", "metric": "probe_up",
            "probe": probe, "function": "share", "condition": "value = 0", "resolution": "1m", "unit": "%"}


def too_many(rule, probe, windows, sites):
    return {"id": rule, "name": f"{rule}: too many failures of {probe}", "kind": "threshold", "severity": "critical",
            "kpi": f"failing-{probe}", "window": "1m", "op": ">", "value": 2, "for": windows, "sites": sites,
            "channels": ["ops"]}


DEFINITIONS = {
    "processes": [{"id": "order", "name": "Order", "steps": ["review", "picking"]}],
    "kpis": [share("orders"), share("stock")],
    "rules": [
        {"id": "r1", "name": "Order takes too long", "kind": "case_open", "process": "order",
         "limit_ms": LIMIT_MS, "channels": ["ops", "hook"]},
        too_many("r2-orders", "orders", FOR, ["live", "cut"]),
        too_many("r2-stock", "stock", FOR, ["live", "cut"]),
        too_many("r2-gap", "orders", FOR, ["gap"]),
        too_many("r2-gap-longer", "orders", FOR + 2, ["gap"]),
    ],
}


class Apis:
    """What the probes ask: /orders and /stock, which answer 500 while they are in `failing`."""

    def __init__(self):
        self.failing = failing = set()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(500 if self.path.strip("/") in failing else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def clock_reaches(unix_ms):
    """Event time is the subject here: this is the condition that it has come."""
    wait_for(lambda: time.time() * 1000 >= unix_ms, max(1, unix_ms / 1000 - time.time() + 5), "the time comes")


def next_minute(ahead_s):
    """The first begin of a minute at least so far ahead, Unix ms."""
    return int(-(-(time.time() + ahead_s) // 60)) * MINUTE_MS


class History:
    """What was done when, and what came of it."""

    def __init__(self, folder, pki):
        self.apis = Apis()
        self.centre = Centre(folder, pki, settings=NOTICE)
        self.mail, self.org = self.centre.mail, self.centre.org
        self.relay = Proxy(self.org.broker_port)

    def start(self):
        self.mail.start()
        for site in SITES:
            self.org.tool("site", "add", site.capitalize(), "--id", site, "--zone", "Asia/Shanghai")
        self.org.define(**DEFINITIONS)
        self.agents = {site: self._agent(site) for site in SITES}
        for site in SITES:
            wait_for(lambda: self.state(site) == "up", 60, f"{site} is up", self.log)
        return self

    def _agent(self, site):
        probes = "".join(f"  - {{ name: {p}, url: 'http://127.0.0.1:{self.apis.port}/{p}', interval: 5s,"
                         " timeout: 5s, expect_status: '200' }\n" for p in ("orders", "stock"))
        agent = self.org.add_agent(site, "till", config=silence() + "probes:\n" + probes)
        if site == "cut":
            agent.through(self.relay.port)
        return agent.start()

    def close(self):
        self.relay.close()
        self.centre.close()
        self.apis.close()

    def log(self):
        return "\n".join(f"{x.kind} {x.subject}" for x in self.mail.letters) + "\n" + self.org.collector.log()[-6000:]

    def state(self, site):
        return next(s for s in self.org.api("GET", "/overview")["sites"] if s["id"] == site)["state"]

    def letters(self, kind, site, word=""):
        return [x for x in self.mail.of(kind, word) if f"] {site.capitalize()}" in x.subject]

    def letter(self, kind, site, word, timeout_s):
        return wait_for(lambda: self.letters(kind, site, word), timeout_s, f"{kind} of {word} at {site}",
                        self.log)[0]

    def incidents(self, rule, site):
        return self.org.api("GET", f"/incidents?rule={rule}&site={site}&limit=100")["items"]

    def cases(self, site):
        return {c["case"]: c for c in self.org.api("GET", f"/cases?site={site}&limit=100")["items"]}

    def case_incident(self, site, case):
        (found,) = [i for i in self.incidents("r1", site) if i["subject"] == f"order/{case}"]
        return found

    # ---- the history ----

    def steps(self, *args):
        for site in ("live", "cut"):
            self.agents[site].step(*args)

    def play(self):
        begin = next_minute(15)
        clock_reaches(begin - 10_000)
        self.relay.stall()
        self.relay.cut()
        clock_reaches(begin + 2000)
        self.apis.failing |= {"orders", "stock"}
        for case in ("A-1", "B-2"):
            self.steps("begin", "--step", "review", "--case", case, "--process", "order", "owner=Wang")
        gap = threading.Thread(target=self._gap, args=(begin + FOR * MINUTE_MS,))
        gap.start()
        self.letter("page", "live", "A-1", 120)
        self.steps("end", "--step", "review", "--case", "A-1", "--process", "order", "status=completed")
        for rule in ("orders", "stock"):
            self.letter("page", "live", f"failures of {rule}", (FOR + 2) * 60)
        gap.join()
        end = max(next_minute(6), begin + (FOR + 1) * MINUTE_MS)
        clock_reaches(end - 5000)
        self.apis.failing.discard("stock")
        self.letter("ended", "live", "failures of stock", 200)
        clock_reaches(end + (FRESH_S + 5) * 1000)
        assert self.state("cut") != "up" and not self.mail.of("page", "Cut")
        self.relay.resume()
        self.begin, self.end, self.back = begin, end, int(time.time() * 1000)
        for word in ("B-2", "failures of orders"):
            self.letter("page", "cut", word, 200)
        wait_for(lambda: self.letters("digest", "cut"), 120, "the digest of the cut site", self.log)
        self.steps("end", "--step", "review", "--case", "B-2", "--process", "order", "status=completed")
        for site in ("live", "cut"):
            self.letter("ended", site, "B-2", 90)
        # Through the same outbox: what was to be sent before it has been sent.
        for channel in ("ops", "hook"):
            assert self.centre.settled(self.centre.test_message(channel))["state"] == "sent"
        return self

    def _gap(self, minute):
        """Half a minute of the gap site is never seen."""
        agent = self.agents["gap"]
        clock_reaches(minute + 10_000)
        agent.kill()
        clock_reaches(minute + 40_000)
        agent.start()


@pytest.fixture(scope="module")
def history(tmp_path_factory, pki):
    made = History(tmp_path_factory.mktemp("rules"), pki)
    try:
        yield made.start().play()
    finally:
        made.close()


def interval(incident):
    return incident["begin_unix_ms"], incident["end_unix_ms"]


def facts(incident):
    """A threshold's facts without the values."""
    f = dict(incident["explanation"], worst=None)
    return dict(f, windows=[dict(w, value=None) for w in f["windows"]])


# ---- R1 ----


def test_r1_live_pages_once_and_tells_the_end(history):
    case, incident = history.cases("live")["A-1"], history.case_incident("live", "A-1")
    assert interval(incident) == (case["begin_unix_ms"] + LIMIT_MS, case["end_unix_ms"])
    assert incident["state"] == "resolved" and incident["notice"] == "paged"
    (page,) = history.letters("page", "live", "A-1")
    (ended,) = history.letters("ended", "live", "A-1")
    assert page.at < ended.at and "Order takes too long" in page.subject


def test_r1_cut_off_over_the_breach_pages_nobody_and_is_told_in_the_digest(history):
    case, incident = history.cases("cut")["A-1"], history.case_incident("cut", "A-1")
    assert case["end_unix_ms"] < history.back
    assert interval(incident) == (case["begin_unix_ms"] + LIMIT_MS, case["end_unix_ms"])
    assert incident["known_unix_ms"] >= history.back, "it says that nobody could know"
    assert incident["state"] == "resolved" and incident["notice"] == "digest"
    assert not history.letters("page", "cut", "A-1") and not history.letters("ended", "cut", "A-1")


def test_r1_what_still_holds_when_the_site_is_back_pages_once(history):
    case, incident = history.cases("cut")["B-2"], history.case_incident("cut", "B-2")
    assert interval(incident) == (case["begin_unix_ms"] + LIMIT_MS, case["end_unix_ms"])
    for kind in ("page", "ended"):
        assert len(history.letters(kind, "cut", "B-2")) == 1


def test_r1_reaches_a_webhook_whose_receiver_checks_the_signature(history):
    hook = history.centre.hook
    assert hook.calls and all(call.good for call in hook.calls)
    told = [(e["type"].split(".")[1], e["data"]["site"], e["data"]["incident"]["subject"])
            for e in hook.effects.values() if "incident" in e["data"]]
    pages = [("live", "order/A-1"), ("live", "order/B-2"), ("cut", "order/B-2")]
    assert sorted(told) == sorted((kind, *page) for kind in ("page", "ended") for page in pages)
    (digest,) = [e["data"] for e in hook.effects.values() if e["type"] == "incident.digest"]
    assert [i["subject"] for i in digest["incidents"]] == ["order/A-1"]


# ---- R2 ----


def test_r2_live_pages_once_with_true_times_and_tells_the_end(history):
    (incident,) = history.incidents("r2-stock", "live")
    assert interval(incident) == (history.begin, history.end)
    assert incident["state"] == "resolved" and incident["notice"] == "paged"
    (page,) = history.letters("page", "live", "failures of stock")
    (ended,) = history.letters("ended", "live", "failures of stock")
    assert history.begin / 1000 + FOR * 60 <= page.at < ended.at
    (goes_on,) = history.incidents("r2-orders", "live")
    assert interval(goes_on) == (history.begin, None) and goes_on["state"] == "open"
    assert len(history.letters("page", "live", "failures of orders")) == 1


def test_r2_cut_off_over_the_breach_ends_as_live_and_pages_nobody(history):
    (incident,) = history.incidents("r2-stock", "cut")
    (live,) = history.incidents("r2-stock", "live")
    assert interval(incident) == interval(live) == (history.begin, history.end)
    # Cut off or not: the same facts; their probes did not run at the same instants.
    assert facts(incident) == facts(live)
    assert incident["known_unix_ms"] >= history.back
    assert incident["state"] == "resolved" and incident["notice"] == "digest"
    assert not history.letters("page", "cut", "failures of stock")


def test_r2_what_still_holds_when_the_site_is_back_pages_once(history):
    (incident,) = history.incidents("r2-orders", "cut")
    assert interval(incident) == (history.begin, None)
    assert len(history.letters("page", "cut", "failures of orders")) == 1


def test_a_gap_counts_neither_as_good_nor_as_bad(history):
    hole = history.begin + FOR * MINUTE_MS
    runs = history.org.api("GET", f"/rules/r2-gap/runs?site=gap&from={history.begin}&to={history.end}&limit=100")
    outcome = {minute: run["outcome"] for run in runs["items"]
               for minute in range(run["begin_unix_ms"], run["end_unix_ms"], MINUTE_MS)}
    assert [outcome[history.begin + n * MINUTE_MS] for n in range(FOR)] == ["true"] * FOR
    assert outcome[hole] == "unknown"
    # Neither good: what was open stays open over it. Nor bad: it makes nothing longer than it was.
    (incident,) = history.incidents("r2-gap", "gap")
    assert interval(incident) == (history.begin, None)
    assert len(history.letters("page", "gap", "r2-gap:")) == 1


def test_a_gap_breaks_the_row_of_bad_minutes(history):
    """With the minute of the gap counted as bad, FOR + 2 in a row would have been there one minute later."""
    hole = history.begin + FOR * MINUTE_MS
    runs = history.org.api("GET", f"/rules/r2-gap-longer/runs?site=gap&from={hole}&to={hole + 2 * MINUTE_MS}&limit=100")
    assert [r["outcome"] for r in runs["items"]] == ["unknown", "true"]
    assert [i for i in history.incidents("r2-gap-longer", "gap")
            if i["begin_unix_ms"] < hole + MINUTE_MS] == []


# ---- all of it ----


def test_one_digest_tells_exactly_what_began_and_ended_unseen(history):
    (digest,) = history.letters("digest", "cut")
    assert "(2)" in digest.subject
    assert "A-1" in digest.text and "failures of stock" in digest.text
    assert "B-2" not in digest.text and "failures of orders" not in digest.text
    assert history.mail.of("digest") == [digest]


def test_nobody_is_told_twice_and_nothing_waits(history):
    messages = history.org.api("GET", "/messages?limit=500")["items"]
    assert {m["state"] for m in messages} == {"sent"}
    assert len({x.id for x in history.mail.letters}) == len(history.mail.letters)
    assert len(history.mail.letters) == len([m for m in messages if m["channel"] == "ops"])
    assert not history.mail.of("withdrawn")
