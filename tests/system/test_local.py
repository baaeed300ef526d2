"""What people and programs at the machine see: the page's JSON, /metrics in both formats, and that all of it is what goes
to the centre. A real agent without a broker; what the centre would get is read out of its closed spool."""

import csv
import http.client
import http.server
import io
import json
import math
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.parse
from contextlib import closing
from pathlib import Path

import pytest

from support import prometheus
from support.builds import program
from support.spooled import spooled
from support.status import samples_on, status_of
from support.wait import free_port, wait_for

OPEN = "application/openmetrics-text"


def get_once(port, path, accept="*/*", host=None):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", path, headers={"Accept": accept, **({"Host": host} if host else {})})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()


def get(port, path, **more):
    """(status, headers, body); asks again while it says that it has been asked too often."""
    return wait_for(lambda: (answer := get_once(port, path, **more))[0] != 503 and answer, 20, "it has time for us")


class Agent:
    def __init__(self, folder, pki, processes, extra="", port=None, listen=True, interval="1s"):
        cert = pki.device("dev-1")
        self.folder, self.processes = folder, processes
        self.port = port or free_port()
        self.state = folder / "state"
        self.config = folder / "agent.yaml"
        self.before = (
            "device: {id: dev-1, site: shop, part: 3}\n"
            f"broker: {{host: 127.0.0.1, port: {free_port()}, ca: {pki.ca}, certificate: {cert.cert}, key: {cert.key}}}\n"
            f"state_dir: state\ninterval: {interval}\n{extra}")
        self.ready = "the status page and /metrics are there" if listen else "steps are taken"
        self.write(f"127.0.0.1:{self.port}" if listen else "")

    def write(self, listen):
        self.config.write_text(self.before + f'local: {{listen: "{listen}"}}\n')

    def start(self):
        self.process = self.processes.start("agent", [program("branchline-agent"), "run", "--config", self.config])
        self.process.wait_log(self.ready, 20)
        return self

    def get(self, path, port=None, **more):
        return get(port or self.port, path, **more)

    def now(self):
        status, headers, text = self.get("/now.json")
        assert status == 200 and headers["Content-Type"] == "application/json", text
        return json.loads(text)

    def command(self, *argv, **options):
        return subprocess.run([program("branchline-agent"), *argv, "--state", self.state], capture_output=True, text=True,
                              timeout=40, **options)

    def status(self):
        return status_of("--state", self.state)


@pytest.fixture
def agent(tmp_path, pki, processes):
    return lambda **more: Agent(tmp_path, pki, processes, **more)


@pytest.fixture
def shop():
    """A service to probe; .status can be changed."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(self.server.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.status = 200
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def probing(shop, every="1s"):
    return (f"probes:\n  - {{name: shop, url: 'http://127.0.0.1:{shop.server_port}/', interval: {every}, timeout: 500ms}}\n"
            f"  - {{name: nobody, url: 'http://127.0.0.1:{free_port()}/', interval: {every}, timeout: 500ms}}\n"
            "samplers:\n  synthetic: {enabled: yes, series: 5}\n")


def key_of(series):
    return series["name"], tuple(sorted(series["labels"].items()))


def prometheus_of(series):
    """The name and the value that Prometheus gets, by the rules of local_metrics.h written down a second time."""
    base = {"ms": ("_ms", "seconds", 1e-3), "us": ("_us", "seconds", 1e-6), "s": ("_s", "seconds", 1),
            "days": ("_days", "seconds", 86400), "pct": ("_pct", "ratio", 1e-2), "ppm": ("_ppm", "ratio", 1e-6),
            "bytes": ("_bytes", "bytes", 1), "celsius": ("_celsius", "celsius", 1), "watt": ("_watts", "watts", 1),
            "rpm": ("_rpm", "rpm", 1), "1": ("_bits", "", 1)}
    name = series["name"].removesuffix("_total")
    if name.endswith("_count"):
        name = name.removesuffix("_count") + "_number"
    suffix, unit, factor = base[series["unit"]]
    name = "branchline_" + name.removesuffix(suffix) + ("_" + unit if unit else "")
    return name + ("_total" if series["kind"] == "counter" else ""), series["value"] * factor


def seldom(shop):
    """For same_instant: long enough for four requests on a machine that has other work."""
    return {"interval": "5s", "extra": probing(shop, "5s")}


def same_instant(agent):
    """now.json and both formats of /metrics of one tick, with a result of each probe."""
    def times(now):
        return {key_of(s): s["unix_ms"] for s in now["series"]}

    def try_once():
        before = agent.now()
        if len({s["labels"].get("probe") for s in before["series"]} - {None}) < 2:
            return None
        texts = [agent.get("/metrics", accept=accept) for accept in ("*/*", OPEN)]
        after = agent.now()
        return (before, *texts) if times(before) == times(after) else None
    return wait_for(try_once, 30, "nothing changes between four requests", agent.process.log)


def test_what_is_shown_is_what_the_centre_gets(agent, shop):
    one = agent(**seldom(shop)).start()
    now, plain, opened = same_instant(one)
    assert plain[1]["Content-Type"].startswith("text/plain; version=0.0.4")
    assert opened[1]["Content-Type"].startswith(OPEN + "; version=1.0.0")
    text = prometheus.read(plain[2], False)
    families = prometheus.read(opened[2], True)
    found = prometheus.samples(text, False)
    assert found == prometheus.samples(families, True)  # two formats, one set of values

    known = [s for s in now["series"] if s["value"] is not None]
    own = {"branchline_agent_info", "branchline_link_up", "branchline_series_left_out", "branchline_unknown"}
    expected = {}
    for series in known:
        name, value = prometheus_of(series)
        expected[name, tuple(sorted(series["labels"].items()))] = value
    assert len(expected) == len(known) > 50
    shown = {key: value for key, value in found.items() if key[0] not in own}
    assert set(shown) == set(expected)
    for key, value in expected.items():
        assert math.isclose(shown[key], value, rel_tol=1e-14), key
    assert found["branchline_link_up", ()] == 0 and found["branchline_series_left_out", ()] == 0
    unknown = [s for s in now["series"] if s["value"] is None]
    assert sum(v for (name, _), v in found.items() if name == "branchline_unknown") == len(unknown) > 0
    assert all(f.help for name, f in families.items() if name != "branchline_synthetic")

    offset = round((time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)) * 1000)
    assert one.process.stop() == 0
    centre = spooled(one.state / "spool.db")
    for series in now["series"]:
        boot_ms = series["unix_ms"] - offset
        nearest = min(centre[key_of(series)], key=lambda sample: abs(sample[0] - boot_ms))
        assert abs(nearest[0] - boot_ms) < 2000
        if series["value"] is None:
            assert not isinstance(nearest[1], (int, float)), series
        else:
            assert nearest[1] == series["value"], series  # to the last bit


@pytest.mark.skipif(not os.environ.get("BL_LONG"), reason="BL_LONG=1: broker, collector and agent, half a minute")
def test_the_centre_answers_the_same(organisation):
    """The same at the other end: what the page said, asked of a real collector as an export of each metric."""
    org = organisation
    org.tool("site", "add", "shop")
    port = free_port()
    agent = org.add_agent("shop", "till", f"interval: 1s\nlocal: {{listen: '127.0.0.1:{port}'}}\n")

    def now():
        return json.loads(get(port, "/now.json")[2])

    agent.start()
    agent.process.wait_log("the status page and /metrics are there", 20)
    seen = wait_for(lambda: (got := now())["status"]["sampling"]["ticks"] >= 3 and got, 20, "it has sampled thrice")
    agent.stop()
    agent.start()  # what is open goes at once, with a new connection
    known = [s for s in seen["series"] if s["stream"] == "host"]
    newest = max(s["unix_ms"] for s in known)

    def rows(name):
        query = urllib.parse.urlencode({"metric": name, "from": newest - 60000, "to": newest + 2000})
        connection = http.client.HTTPConnection("localhost", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        with closing(connection):
            connection.sock.connect(str(org.folder / "collector" / "admin.sock"))
            connection.request("GET", "/api/v1/metrics/export?" + query)
            return list(csv.DictReader(io.StringIO(connection.getresponse().read().decode())))

    wait_for(lambda: rows("cpu_used_pct"), 60, "the centre has it", agent.process.log)
    missing = []
    for name in sorted({s["name"] for s in known}):
        there = rows(name)
        for series in (s for s in known if s["name"] == name):
            value = "" if series["value"] is None else series["value"]
            missing += [series] if not any(
                abs(int(r["unix_ms"]) - series["unix_ms"]) <= 100 and
                (r["value"] == "" if value == "" else r["value"] and float(r["value"]) == value) for r in there) else []
    assert not missing and len(known) > 50


def test_states_of_probes_follow(agent, shop):
    one = agent(extra=probing(shop)).start()

    def states():
        return {p["name"]: p["state"] for p in one.now()["probes"]}

    wait_for(lambda: states() == {"shop": "up", "nobody": "down"}, 20, "both have a result", one.process.log)
    shop.status = 500
    wait_for(lambda: states()["shop"] == "down", 20, "it is down", one.process.log)
    probe = one.now()["probes"][0]
    assert probe["reason"] == "status" and "500" in probe["detail"] and probe["since_unix_ms"] <= probe["unix_ms"]
    text = prometheus.read(one.get("/metrics")[2], False)
    assert text["branchline_probe_up"].samples[("probe", "shop"),] == 0


def listening(pid):
    """Local addresses of the process's listening TCP sockets."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            link = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:  # a file of /proc that was read in between; sockets stay
            continue
        if link.startswith("socket:["):
            inodes.add(link[8:-1])
    rows = [line.split() for name in ("tcp", "tcp6") for line in open(f"/proc/net/{name}").readlines()[1:]]
    return [row[1] for row in rows if row[3] == "0A" and row[9] in inodes]


def test_nobody_else_is_let_in(agent):
    one = agent(listen=False).start()
    assert one.status()["local"]["listen"] is None
    assert listening(one.process.pid) == []  # by default there is no port
    one.write(f"127.0.0.1:{one.port}")
    one.process.signal(signal.SIGHUP)
    one.process.wait_log("the status page and /metrics are there", 20)
    assert listening(one.process.pid) == [f"0100007F:{one.port:04X}"]
    assert one.get("/now.json", host=f"localhost:{one.port}")[0] == 200
    assert one.get("/now.json", host="tunnel.example")[0] == 403
    assert one.get("/metrics", host="169.254.169.254")[0] == 403
    assert one.status()["local"]["refused"] == 2


def test_reload_moves_it_and_sampling_goes_on(agent):
    one = agent().start()
    second = free_port()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", second))
        taken.listen()
        one.write(f"127.0.0.1:{second}")
        one.process.signal(signal.SIGHUP)
        one.process.wait_log("no status page and no /metrics, will try again in 60 s", 20)
        status = one.status()
        assert "Address already in use" in status["local"]["problem"]
        assert "local_closed" in [p["code"] for p in status["health"]["problems"]]
        assert listening(one.process.pid) == []
    one.process.signal(signal.SIGHUP)
    one.process.wait_log("the status page and /metrics are there", 20, count=2)
    assert one.get("/", port=second)[0] == 200
    ticks = one.status()["sampling"]["ticks"]
    wait_for(lambda: one.status()["sampling"]["ticks"] > ticks, 20, "it ticks", one.process.log)
    samples_on(one.status()["sampling"])  # that a reload misses none is test_service.py's matter


def test_whatever_it_can_say_has_words_in_both_languages():
    source = Path(__file__).resolve().parents[2] / "agent" / "src"
    table = re.findall(r'\{ "([a-z_.]+)", "((?:[^"\\]|\\.)*)", "((?:[^"\\]|\\.)*)" \}', (source / "local/local_words.c").read_text())
    words = {key: (en, zh) for key, en, zh in table}
    rows = re.findall(r'^\t\{ "', (source / "local/local_words.c").read_text(), re.M)
    assert len(words) == len(table) == len(rows) > 80  # a key once, a row a line
    assert all(en.isascii() and (bool(en) == bool(zh)) for en, zh in words.values())
    # A separator may be the same everywhere; what is read has Chinese characters.
    assert [k for k, (en, zh) in words.items() if en and zh.isascii()] == []

    def all_of(pattern, *files):
        return {found for name in files for found in re.findall(pattern, re.sub(r'"\s*\n\s*"', "", (source / name).read_text()))}

    codes = all_of(r'reason\(\s*reasons,\s*"([a-z_]+)"', "run/agent_status.c")
    reasons = all_of(r'\[PROBE_(?:OK|FAIL_\w+)\] = "(\w+)"', "probe/probe_put.c")
    troubles = all_of(r'case SPOOL_\w+:\s*return "(\w+)"', "status/status.c")
    links = all_of(r'return "(\w+)"', "run/agent_status.c") - {"?"}
    assert len(codes) > 20 and len(reasons) > 10 and len(troubles) == 7 and {"up", "stopped"} <= links
    needed = ({"health." + c for c in codes} | {"reason." + r for r in reasons} | {"spool." + t for t in troubles} |
              {"link." + state for state in links})
    needed |= all_of(r'(?:word|local_word|heading|begin_fact)\((?:p, )?"([a-z_]+\.[a-z_]+)"', "local/page/page.js", "local/top_draw.c")
    assert needed - set(words) == set()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian package prometheus)")
def test_promtool_has_nothing_to_say(agent, shop):
    one = agent(**seldom(shop)).start()
    _, plain, _ = same_instant(one)
    done = subprocess.run(["promtool", "check", "metrics"], input=plain[2], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
