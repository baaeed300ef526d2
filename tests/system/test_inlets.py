"""All inlets of one agent at once: what each took, refused and lost is said everywhere; a reload touches
the one that it concerns; and whoever floods one of them harms neither the others nor the samplers.
"""

import http.client
import http.server
import json
import os
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from support.builds import program
from support.process import clean_environment
from support.status import samples_on, status_of
from support.steps import Reporter
from support.wait import free_port, wait_for

ROOT = Path(__file__).resolve().parents[2]
REPORTS = 400 if os.environ.get("BL_LONG") else 8


class Exporter(http.server.BaseHTTPRequestHandler):
    """A page of `series` series that never repeats a name, or of one that always does."""

    series, page = 1, 0

    def do_GET(self):
        cls = type(self)
        cls.page += 1
        body = "shop_open 1\n" + "".join(f"flood_{cls.page}_{i} {i}\n" for i in range(cls.series - 1))
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def exporter():
    handler = type("Handler", (Exporter,), {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.handler = handler
    yield server
    server.shutdown()
    thread.join(10)
    server.server_close()


class Machine:
    """An agent without a centre, with every inlet on."""

    def __init__(self, folder, processes, exporter):
        self.folder, self.processes = folder, processes
        self.state_dir = folder / "state"
        self.socket = self.state_dir / "steps.sock"
        self.statsd = ("127.0.0.1", free_port())
        self.http = free_port()
        self.local = free_port()
        self.broker = free_port()
        self.exporter = exporter
        self.drop = folder / "drop"
        self.drop.mkdir()
        self.log = folder / "till.log"
        self.log.write_text("begin\n")
        self.write()

    def write(self, **off):
        """Every inlet of the test but those that are switched off by name."""
        inlets = {
            "steps": {"datagram_socket": "lines.sock"},
            "statsd": {"listen": ["%s:%d" % self.statsd], "max_series": 50},
            "http": {"listen": f"127.0.0.1:{self.http}"},
            "drop": {"folders": [{
                "name": "shop", "path": str(self.drop), "files": ["*.csv"], "settle": "0s", "types": ["tmpfs", "overlay"],
                "reports": [{"report": "case", "case": "{no}", "status": "{state}"}]}]},
            "loglines": {"types": ["tmpfs", "overlay"], "watch": [{
                "name": "till", "path": str(self.log), "patterns": [{
                    "match": r"^order (?<no>\d+) (?<state>\w+)$",
                    "map": {"report": "case", "case": "{no}", "status": "{state}"}}]}]},
            "scrape": {"exporters": [{
                "name": "shop", "url": f"http://127.0.0.1:{self.exporter.server_port}/", "interval": "1s",
                "max_series": 50}]},
        }
        for name in off:
            inlets.pop(name)
        self.on = set(inlets)
        (self.folder / "agent.yaml").write_text(json.dumps({
            "device": {"id": "dev-1", "site": "shop", "part": 3},
            "broker": {"host": "127.0.0.1", "port": self.broker},
            "state_dir": "state", "interval": "1s", "max_memory": "16MiB", "inlets": inlets,
            "local": {"listen": f"127.0.0.1:{self.local}"}}))

    def start(self):
        self.process = self.processes.start(
            "agent", [program("branchline-agent"), "run", "--config", self.folder / "agent.yaml"])
        self.process.wait_log("started device=", 40)
        wait_for(lambda: self.inlets()["scrape"]["state"] == "open", 40, "the inlets are open",
                 self.process.log)
        return self

    def reload(self):
        count = self.process.log().count("reloaded changed=")
        self.process.signal(signal.SIGHUP)
        self.process.wait_log("reloaded changed=", 40, count + 1)

    def ask(self, *form):
        return subprocess.run([program("branchline-agent"), "status", "--state", self.state_dir, *form],
                              capture_output=True, text=True, timeout=60, env=clean_environment()).stdout

    def state(self):
        return status_of("--state", self.state_dir)

    def inlets(self):
        return self.state()["inlets"]

    def count(self, inlet, kind, name):
        return self.inlets()[inlet][kind].get(name, 0)

    def metrics(self):
        """Nothing while it was asked too often: twenty times a second are answered."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self.local}/metrics", timeout=40) as page:
                return page.read().decode()
        except urllib.error.HTTPError as error:
            assert error.code == 503
            return ""

    def post(self, body):
        """The results of a batch over HTTP."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=60)
        try:
            connection.request("POST", "/v1/reports", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def put_file(self, name, text):
        """As a careful program does it: whole, and then under its name."""
        (self.drop / (name + ".tmp")).write_text(text)
        (self.drop / (name + ".tmp")).rename(self.drop / name)

    def write_log(self, text):
        with open(self.log, "a") as log:
            log.write(text)

    def say_datagrams(self, text, n):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.5)
            folder = os.open(self.folder, os.O_PATH)  # an address is short, and the folders of tests are not
            try:
                sock.connect(f"/proc/self/fd/{folder}/lines.sock")
            finally:
                os.close(folder)
            for _ in range(n):
                sock.send(text.encode())

    def say_statsd(self, text):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(text.encode(), self.statsd)


@pytest.fixture
def machine(tmp_path, processes, exporter):
    return Machine(tmp_path, processes, exporter)


def without_words(inlets):
    """Reasons that the device's page would show as they are called in here."""
    texts = [(ROOT / "collector/web/src/i18n" / name).read_text() for name in ("en_device.ts", "zh_device.ts")]
    return sorted({reason for one in inlets.values() for reason in one["refused"] for text in texts
                   if f"  refused_{reason}: " not in text})


def test_what_each_took_and_refused_is_said_everywhere(machine):
    machine.start()
    assert without_words(machine.inlets()) == []
    with Reporter(machine.socket) as reporter:
        assert reporter.ask("step event 4711 id=1") == "ok"
        assert reporter.ask("metric queue_length 3.5 till=2") == "ok"
        machine.say_datagrams("event till.opened", 1)
        assert reporter.ask("nonsense").startswith("error: column 1")
    machine.say_statsd("orders:1|c\nnonsense")
    wait_for(lambda: machine.count("statsd", "counts", "accepted") > 0, 40, "StatsD was taken")
    wait_for(lambda: machine.count("steps", "counts", "accepted") == 3, 40, "the datagram was taken")
    wait_for(lambda: machine.count("scrape", "counts", "accepted") > 0, 40, "a page was read")
    assert machine.post('[{"report":"step","phase":"event","case":"4712"},{"report":"nothing"}]')[0] == 422
    machine.put_file("one.csv", "no,state\n4713,open\n4714\n")
    wait_for(lambda: (machine.drop / "done" / "one.csv").exists(), 40, "the file is done", machine.process.log)
    machine.write_log("order 4715 open\norder 4716 is late\n")
    wait_for(lambda: machine.count("loglines", "counts", "accepted") == 1, 40, "the line is read",
             machine.process.log)
    def all_well():
        """A page that did not come within its second is a problem until the next one has come."""
        told = {name: one for name, one in machine.inlets().items() if name in machine.on}
        return all(one["state"] == "open" and one["problem"] is None for one in told.values()) and told
    inlets = wait_for(all_well, 40, "all are open, and nothing is wrong", lambda: json.dumps(machine.inlets(), indent=1))
    assert inlets["http"]["counts"]["accepted"] == 1 and inlets["http"]["refused"]["bad_reports"] == 1
    assert inlets["drop"]["counts"]["accepted"] == 1 and inlets["drop"]["refused"]["bad_lines"] == 1
    assert inlets["steps"]["counts"]["accepted"] == 3 and inlets["steps"]["refused"]["bad_lines"] == 1
    assert sum(inlets["statsd"]["refused"].values()) == 1, inlets["statsd"]
    assert ", got nonsense reason=bad_lines" in machine.process.log()  # its sender has no other way to be found
    assert all(i["lost"] == 0 for i in inlets.values()), inlets

    def in_metrics():
        page = machine.metrics()
        return all(line in page for line in (
            'agent_inlet_reports_total{inlet="steps"} 3', 'reason="bad_lines"} 1',
            'agent_inlet_reports_total{inlet="statsd"} 1',
            'agent_inlet_refused_total{inlet="statsd",reason="',
            'agent_inlet_reports_total{inlet="scrape"} ', 'shop_open{source="shop"} 1',
            'queue_length{source="socket",till="2"} 3.5'))
    wait_for(in_metrics, 40, "it stands in /metrics", machine.metrics)
    text = machine.ask()
    assert "statsd     open; 1 taken, 1 refused (" in text, text
    assert "scrape     open; " in text and "http       open; 1 taken, 1 refused (bad_reports 1)" in text, text


def test_a_reload_concerns_the_inlet_that_was_changed(machine):
    machine.start()
    machine.say_statsd("orders:1|c")
    wait_for(lambda: machine.count("statsd", "counts", "accepted") == 1, 40, "StatsD was taken")
    with Reporter(machine.socket) as reporter:
        assert reporter.ask("step event 4711") == "ok"
        machine.write(statsd=False)
        machine.reload()
        inlets = machine.inlets()
        assert inlets["statsd"]["state"] == "off" and inlets["statsd"]["counts"]["accepted"] == 1
        assert reporter.ask("step event 4712") == "ok"  # the same connection
        # Somebody else has its address in the meantime.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(machine.statsd)
            machine.write()
            machine.reload()
            state = machine.state()
            assert state["inlets"]["statsd"]["state"] == "failed"
            assert "%s:%d" % machine.statsd in state["inlets"]["statsd"]["problem"]
            assert "inlet_closed" in {p["code"] for p in state["health"]["problems"]}
            assert state["inlets"]["scrape"]["state"] != "off"
        machine.reload()
        assert machine.inlets()["statsd"]["state"] == "open"
        machine.say_statsd("orders:1|c")
        wait_for(lambda: machine.count("statsd", "counts", "accepted") == 2, 40, "the count goes on")
        assert reporter.ask("step event 4713") == "ok"
    assert machine.count("steps", "counts", "accepted") == 3


class Flood:
    """Threads that do the worst that they can to an inlet each, until the end of the block."""

    def __init__(self, *ones):
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(one,)) for one in ones]

    def _run(self, one):
        while not self.done.is_set():
            try:
                one()
            except OSError:
                pass

    def __enter__(self):
        for thread in self.threads:
            thread.start()

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join(60)


def test_a_flood_of_one_harms_no_other(machine):
    """Each inlet has a sender gone wild: lines and batches whose answers nobody reads, packets of ever new
    names, pages of ever new series, one
    file after the other, a log that grows by thousands of lines. Reports of others are on disk, values of others come through, the
    samplers keep their ticks and their room, and memory stays far from its ceiling."""
    machine.exporter.handler.series = 4000
    machine.start()
    names = iter(range(1 << 60))

    def steps():
        with Reporter(machine.socket) as reporter:
            reporter.sock.settimeout(0.2)
            for _ in range(1000):
                reporter.say(b"step event flood n=1\n" * 200)

    def datagrams():
        machine.say_datagrams("event flood n=1", 1000)

    def statsd():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for _ in range(200):
                sock.sendto("\n".join(f"wild.{next(names)}:1|c" for _ in range(30)).encode(), machine.statsd)

    batch = json.dumps([{"report": "event", "type": "flood", "attributes": {"n": n}} for n in range(300)])

    def web():
        with socket.create_connection(("127.0.0.1", machine.http), 0.5) as sock:
            head = "POST /v1/reports HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            request = f"{head}Content-Length: {len(batch)}\r\n\r\n{batch}".encode()
            while not flood.done.is_set():
                sock.sendall(request)  # and reads no answer

    rows = "no,state\n" + "".join(f"{n},wild\n" if n % 2 else f"{n}\n" for n in range(600))

    def files():
        if len(list(machine.drop.glob("*.csv"))) < 20:
            machine.put_file(f"wild-{next(names)}.csv", rows)

    def log():
        if machine.log.stat().st_size < 1 << 22:
            machine.write_log("".join(f"order {n} wild\n" for n in range(1000)))

    # What takes two ticks to be known is there.
    before = wait_for(lambda: (s := machine.state())["sampling"]["ticks"] >= 3 and s, 40, "three ticks", machine.process.log)
    flood = Flood(steps, datagrams, statsd, web, files, log)
    with flood:
        with Reporter(machine.socket) as calm:
            for n in range(REPORTS):
                assert calm.ask(f"step event calm-{n} id=calm-{n}") == "ok"
        for n in range(REPORTS // 4):
            status, answer = machine.post(
                json.dumps({"report": "case", "case": f"calm-{n}", "status": "open", "id": f"web-{n}"}))
            assert status == 200, answer
        taken = {name: machine.count(name, "counts", "accepted") for name in ("drop", "loglines")}
        wait_for(lambda: all(machine.count(name, "counts", "accepted") > n for name, n in taken.items()), 60,
                 "rows and lines are taken", lambda: json.dumps(machine.inlets(), indent=1))
        wait_for(lambda: machine.state()["sampling"]["ticks"] >= before["sampling"]["ticks"] + 3, 60,
                 "it samples on", machine.process.log)
        wait_for(lambda: machine.count("statsd", "refused", "too_many_series") > 0
                 and machine.count("scrape", "refused", "too_many_series") > 0, 60,
                 "caps are reached", lambda: json.dumps(machine.inlets(), indent=1))
    state = machine.state()
    samples_on(state["sampling"], before["sampling"])
    assert state["spool"]["refused_samples"] == 0 and state["spool"]["refused_events"] == 0
    # With sanitizers there is no ceiling.
    assert state["memory"]["relieved"] == 0 and state["memory"]["left_out"] == 0, state["memory"]
    # Neither cap was passed, and nothing of the agent's own was refused.
    assert state["sampling"]["series"] < before["sampling"]["series"] + 50 + 50 + 40
    wait_for(lambda: 'shop_open{source="shop"} 1' in machine.metrics(), 60, "the page is read")
    wait_for(lambda: any(g["reason"] == "overload" for g in machine.state()["gaps"]), 60,
             "the ledger names it", machine.process.log)
    # It ends in the middle of all that.
    taken = sum(machine.count(name, "counts", "accepted") for name in machine.on)
    flood = Flood(steps, datagrams, statsd, web, files, log)
    with flood:
        wait_for(lambda: sum(machine.count(name, "counts", "accepted") for name in machine.on) > taken + 50, 60,
                 "the flood is there again", machine.process.log)
        machine.process.signal(signal.SIGTERM)
        assert machine.process.wait(60) == 0, machine.process.log()
