"""Reports by HTTP to a real agent, from senders that nobody here wrote: what was answered "accepted" is there once,
whatever happens next."""

import csv
import http.client
import json
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import threading
import time
from contextlib import closing

import pytest

from support import oracle  # noqa: F401  finds the decoder
import wire_decoder
from support.builds import program
from support.seed import chance_seed
from support.spooled import spooled
from support.status import status_of
from support.wait import free_port, wait_for

KILLS = 200 if os.environ.get("BL_LONG") else 5
JSON = {"Content-Type": "application/json"}


class Device:
    """An agent without a centre: what it accepted is judged by its spool."""

    def __init__(self, folder, processes, extra=""):
        self.processes, self.port = processes, free_port()
        self.config, self.spool = folder / "agent.yaml", folder / "state" / "spool.db"
        self.config.write_text(
            f"device: {{id: dev-1, site: shop, part: 3}}\n"
            f"broker: {{host: 127.0.0.1, port: {free_port()}}}\n"
            f"state_dir: state\ninterval: 1s\n"
            f"inlets:\n  http:\n    listen: 127.0.0.1:{self.port}\n{extra}")
        self.url = f"http://localhost:{self.port}"
        self.starts = 0

    def start(self):
        self.process = self.processes.start("agent", [program("branchline-agent"), "run", "--config", self.config])
        self.starts += 1
        self.process.wait_log("reports are taken", 20, self.starts)
        return self

    def post(self, reports, connection=None, path="/v1/reports"):
        """The status, and what became of each."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as own:
            used = connection or own
            used.request("POST", path, json.dumps(reports), JSON)
            answer = used.getresponse()
            body = json.loads(answer.read())
        return answer.status, [r["result"] for r in body["results"]]

    def refused(self):
        return status_of("--config", self.config)["inlets"]["http"]["refused"]

    def counted(self, name):
        return status_of("--config", self.config)["inlets"]["http"]["counts"][name]

    def close(self):
        """Ends the agent and starts it once more, since a start cuts what an earlier run left open."""
        if self.process.running():
            self.process.stop()
        self.start()
        self.process.stop()

    def events(self):
        self.close()
        with closing(sqlite3.connect(f"file:{self.spool}?mode=ro", uri=True)) as db:
            found = [e for (message,) in db.execute("SELECT msg FROM body JOIN batch USING (id) WHERE events > 0 ORDER BY id")
                     for e in wire_decoder.decode(message)["events"]]
        return [e for e in found if e["type"].split(".")[0] not in ("agent", "clock", "config", "spool", "link")]


@pytest.fixture
def device(tmp_path, processes):
    return lambda **more: Device(tmp_path, processes, **more)


# ---- what "accepted" is worth ----

def numbered(k, n):
    """Report n of sender k: a case, or a value that no other report of it has."""
    if n % 3 == 0:
        return {"report": "metric", "name": f"sender_{k}", "value": n, "id": f"{k}-{n}"}
    return {"report": "case", "case": f"{k}-{n}", "id": f"{k}-{n}"}


def test_what_was_accepted_survives_kill_9(device):
    """Programs report in batches while the agent is killed at any moment; who got no answer sends the batch again
    with the same ids. At the end every report is there once."""
    seed = chance_seed()
    print(f"seed {seed} (BL_SEED repeats it)")
    rng = random.Random(seed)
    agent = device().start()
    accepted, lock, done, wrong = [], threading.Lock(), threading.Event(), []

    def report(k):
        n = 0
        while not done.is_set():
            batch = [numbered(k, n + i) for i in range(1 + n % 40)]
            try:
                with closing(http.client.HTTPConnection("127.0.0.1", agent.port, timeout=30)) as connection:
                    status, results = agent.post(batch, connection)
            except (OSError, http.client.HTTPException, ValueError):
                continue  # killed under us, or nobody listens for a moment
            if status == 200 and set(results) <= {"accepted", "repeated"}:
                with lock:
                    accepted.extend(r["id"] for r in batch)
                n += len(batch)
            elif status != 503:
                wrong.append((status, results))

    threads = [threading.Thread(target=report, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(KILLS):
            have, more = len(accepted), rng.randrange(1, 300)
            wait_for(lambda: len(accepted) >= have + more or wrong, 60, "reports are accepted", agent.process.log)
            agent.process.kill()
            agent.start()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not wrong
    found = [e["id"] for e in agent.events()]
    for (name, _), points in spooled(agent.spool).items():
        if name.startswith("sender_"):
            found += [f"{name[len('sender_'):]}-{int(value)}" for _, value in points]
    assert sorted(found) == sorted(set(found)), "doubled"
    assert not set(accepted) - set(found), "lost"
    assert sum(int(name.split("-")[1]) % 3 == 0 for name in found) > 10


def test_steps_cases_events_and_values_become_what_they_say(device):
    agent = device().start()
    at = time.time() - 3600
    status, results = agent.post([
        {"report": "step", "phase": "begin", "case": "4711", "step": "审核", "process": "order", "id": "a", "at": at,
         "attributes": {"owner": "李华", "amount": 129.5, "urgent": True, "parcel": 12345678901234567}},
        {"report": "case", "case": "4711", "process": "order", "status": "completed"},
        {"report": "event", "type": "till.opened", "attributes": {"till": 2}},
        {"report": "metric", "name": "queue_length", "value": 3, "labels": {"till": "2"}, "id": "m"},
        {"report": "metric", "name": "queue_length", "value": 3, "labels": {"till": "2"}, "id": "m"},
        {"report": "metric", "name": "queue_length", "value": 5.25, "labels": {"till": "2"}},
        {"report": "metric", "name": "cpu_used_pct", "value": 1},
        {"report": "event", "type": "agent.start"},
        {"report": "event", "type": "late", "at": at - 86400 * 8},
    ])
    assert status == 422
    assert results == ["accepted"] * 4 + ["repeated", "accepted"] + ["refused"] * 3
    events = {e["type"]: dict(e["attrs"]) for e in agent.events()}
    assert events == {
        "step.begin": {"process": "order", "case": "4711", "step": "审核", "owner": "李华", "amount": 129.5, "urgent": True,
                       "parcel": "12345678901234567"},
        "step.event": {"process": "order", "case": "4711", "status": "completed"},
        "till.opened": {"till": 2}}
    values = {labels: [v for _, v in points] for (name, labels), points in spooled(agent.spool).items() if name == "queue_length"}
    (labels, points), = values.items()
    assert dict(labels) == {"till": "2", "source": "http"} and sorted(points) == [3, 5.25]


# ---- real senders ----

def curl(agent, *argv, data=None):
    done = subprocess.run(["curl", "-sS", "-i", "--max-time", "30", *argv], input=data, capture_output=True, timeout=40)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def lines(n, name):
    return "".join(json.dumps({"report": "event", "type": name, "id": f"{name}-{i}"}) + "\n" for i in range(n)).encode()


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_reports(device, tmp_path):
    """With a body from the command line, from a file, in chunks from standard input, and asking first."""
    agent = device().start()
    url, of_lines = f"{agent.url}/v1/reports", ["-H", "Content-Type: application/x-ndjson"]
    many = tmp_path / "many.ndjson"
    many.write_bytes(lines(1000, "file"))
    told = curl(agent, url, "--json", '{"report":"event","type":"line"}')
    assert told.startswith("HTTP/1.1 200 OK\r\n") and '"accepted"' in told
    told = curl(agent, url, *of_lines, "--data-binary", f"@{many}", "-H", "Expect: 100-continue")
    assert told.startswith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n") and told.count('"accepted"') == 1000
    told = curl(agent, url, *of_lines, "-T", "-", "-X", "POST", data=lines(300, "piped"))
    assert "HTTP/1.1 200 OK\r\n" in told and told.count('"accepted"') == 300
    told = curl(agent, url, *of_lines, "--data-binary", f"@{many}")
    assert told.count('"repeated"') == 1000
    many.write_bytes(b" " * 300000)
    assert "HTTP/1.1 413 " in curl(agent, url, *of_lines, "--data-binary", f"@{many}")
    assert "HTTP/1.1 415 " in curl(agent, url, "-d", "a=b")
    assert "HTTP/1.1 403 " in curl(agent, url, "--json", "{}", "-H", "Origin: https://evil.example")
    assert "HTTP/1.1 403 " in curl(agent, url, "--json", "{}", "-H", "Host: evil.example")
    assert "POST /v1/reports" in curl(agent, f"{agent.url}/v1/")
    assert len(agent.events()) == 1301


NODE = """
const url = process.argv[1];
const one = (n) => fetch(url, { method: "POST", headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ report: "event", type: "node", attributes: { n } }) });
const answers = await Promise.all([...Array(100).keys()].map(one));
for (const a of answers)
  if (a.status !== 200 || (await a.json()).results[0].result !== "accepted") process.exit(1);
"""


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_fetch_of_node_reports(device, tmp_path):
    agent = device().start()
    done = subprocess.run(["node", "--input-type=module", "-e", NODE, f"{agent.url}/v1/reports"], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    assert sorted(dict(e["attrs"])["n"] for e in agent.events()) == list(range(100))


COLLECTD = """
Hostname "till-7"
FQDNLookup false
Interval 0.2
WriteThreads 1
BaseDir "{folder}"
PluginDir "/usr/lib/collectd"
TypesDB "/usr/share/collectd/types.db"
LoadPlugin load
LoadPlugin memory
LoadPlugin cpu
LoadPlugin interface
LoadPlugin csv
LoadPlugin write_http
<Plugin csv>
  DataDir "{folder}/csv"
  StoreRates false
</Plugin>
<Plugin write_http>
  <Node "branchline">
    URL "{url}/v1/collectd"
    Format "JSON"
    BufferSize 4096
  </Node>
</Plugin>
"""


def written(folder):
    """(plugin, instance, type, type's instance, source) -> [(time, value)], of collectd's own files."""
    found = {}
    for path in sorted(folder.glob("*/*/*")):  # a file a day
        plugin, _, instance = path.parent.name.partition("-")
        name = path.name[:-len("-2026-11-28")]
        kind, _, of_kind = name.partition("-")
        with path.open() as f:
            for row in csv.DictReader(f):
                at = float(row.pop("epoch"))
                for source, value in row.items():
                    if value != "nan":
                        found.setdefault((plugin, instance, kind, of_kind, source), []).append((at, float(value)))
    return found


@pytest.mark.skipif(not shutil.which("collectd"), reason="collectd is not installed")
def test_collectd_reports_what_it_writes_to_its_own_files(device, tmp_path):
    agent = device().start()
    conf = tmp_path / "collectd.conf"
    conf.write_text(COLLECTD.format(folder=tmp_path, url=agent.url))
    collectd = agent.processes.start("collectd", ["collectd", "-f", "-C", conf, "-P", tmp_path / "pid"])
    wait_for(lambda: agent.counted("accepted") > 300, 60, "values are accepted", collectd.log)
    collectd.stop()  # it sends what it has gathered
    assert set(agent.refused().values()) == {0}, agent.refused()
    agent.close()

    wanted = written(tmp_path / "csv")
    found = {(name, dict(labels).get("plugin_instance", ""), dict(labels).get("type_instance", "")): points
             for (name, labels), points in spooled(agent.spool).items() if name.startswith("collectd_")}
    assert len(wanted) >= 20
    for (plugin, instance, kind, of_kind, source), rows in wanted.items():
        name = "_".join(["collectd", plugin] + [kind] * (kind != plugin) + [source] * (source != "value"))
        points, rows = sorted(found[name, instance, of_kind]), sorted(rows)
        # Its files have six decimals.
        assert sorted(v for _, v in points) == pytest.approx(sorted(v for _, v in rows), abs=1e-6, rel=0), (
            name, instance, of_kind)
        # Boot and wall clock are read one after the other, and the machine may stand still in between.
        apart = [at / 1000 - row for (at, _), (row, _) in zip(points, rows)]
        off = [abs(one - statistics.median_low(apart)) for one in apart]
        assert max(off) < 10 and sum(one < 0.05 for one in off) >= len(off) / 2, (name, instance, of_kind, off)
