"""The main job, end to end, as a user does it: set up, add a device, see its data; and what bad
input, old copies and another machine do to it.
"""

import json
import os
import random
import shutil
import sqlite3
import ssl
import subprocess
import time
import urllib.request
from contextlib import closing
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from support.builds import SOURCE, program
from support.oracle import Spool, Store, arrive_in_full, check_values, load, receipted
from support.org import Organisation
from support.wait import free_port, wait_for


def loaded(org, name="till", series=20):
    if not org.api("GET", "/sites")["items"]:
        org.tool("site", "add", "North")
    agent = org.add_agent("north", name)
    agent.base = agent.config.read_text() + "\n"
    agent.config.write_text(agent.base + load(series))
    return agent


def grow(agent, by):
    """Waits until the agent has accepted `by` more samples."""
    spool = Spool(agent)
    before = spool.accepted()
    wait_for(lambda: spool.accepted() >= before + by, 60, "samples are accepted", agent.process.log)


class Browser:
    """HTTPS with cookies, as a browser does it, trusting the organisation's CA."""

    def __init__(self, org):
        self.base = f"https://localhost:{org.board_port}"
        context = ssl.create_default_context(cafile=org.folder / "ca" / "ca.pem")
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPCookieProcessor(CookieJar()))

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            self.base + "/api/v1" + path, method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Origin": self.base})
        with self.opener.open(request, timeout=20) as answer:
            text = answer.read()
            return json.loads(text) if text else None


def test_a_sample_of_this_machine_reaches_a_signed_in_person(organisation):
    org = organisation
    org.tool("site", "add", "北京一店", "--id", "beijing-1", "--zone", "Asia/Shanghai")
    agent = org.add_agent("beijing-1", "till 1", config="interval: 1s\n").start()
    password = org.tool("user", "add", "wang", "--role", "viewer").stdout.split("password ")[1].split()[0]
    browser = Browser(org)
    browser.call("POST", "/session", {"user": "wang", "password": password})
    path = f"/devices/{agent.device}/series"
    series = wait_for(
        lambda: {s["name"]: s for s in browser.call("GET", path)["items"]}.get("cpu_used_pct"), 90,
        "the CPU series arrives", lambda: agent.process.log() + org.collector.log())
    now = int(time.time() * 1000)

    def points():
        answer = browser.call("GET", f"/query?series={series['id']}&from={now - 600_000}"
                                     f"&to={int(time.time() * 1000) + 1000}&step=1000")
        return [p for p in zip(*(answer["series"][0]["points"][k] for k in ("t", "n", "min", "max", "mean"))) if p[1]]

    seen = wait_for(points, 90, "a CPU sample arrives", agent.process.log)
    for _, n, least, most, mean in seen:
        assert n >= 1 and 0 <= least <= mean <= most <= 100
    site = next(s for s in browser.call("GET", "/overview")["sites"] if s["id"] == "beijing-1")
    assert site["name"] == "北京一店" and site["state"] == "up"
    status = agent.status()
    assert status, "status says something"


def test_what_is_accepted_arrives_once_after_orderly_restarts(organisation):
    org, agent = organisation, loaded(organisation)
    for _ in range(3):
        agent.start()
        grow(agent, 60)
        assert agent.stop() == 0
    arrive_in_full(org, agent, agent.base)
    store = Store(org)
    check_values(store, agent.device)
    assert org.api("GET", "/gaps")["unexplained"] == 0


def test_an_agent_with_yesterdays_copy_of_its_spool_loses_and_doubles_nothing(organisation, tmp_path):
    org, agent = organisation, loaded(organisation)
    agent.start()
    grow(agent, 60)
    agent.stop()
    spool = agent.spool()
    yesterday = tmp_path / "yesterday"
    yesterday.mkdir()
    for file in spool.parent.glob(spool.name + "*"):
        shutil.copy2(file, yesterday)
    before = Spool(agent).id()
    agent.start()
    grow(agent, 60)
    wait_for(lambda: Store(org).samples() > 0, 90, "samples are stored", agent.process.log)
    arrive_in_full(org, agent, agent.base)
    agent.stop()
    stored = Store(org).samples()
    for file in spool.parent.glob(spool.name + "*"):
        file.unlink()
    for file in yesterday.iterdir():
        shutil.move(file, spool.parent)
    yesterday.rmdir()
    agent.config.write_text(agent.base + load(20))
    agent.start()
    wait_for(lambda: Spool(agent).id() != before, 60, "a new spool id begins", agent.process.log)
    grow(agent, 60)
    # The new id's batches hold again what the copy held without a receipt: values decide, not counts.
    receipted(org, agent, agent.base)
    assert Store(org).samples() >= stored + 60
    check_values(Store(org), agent.device)
    assert Store(org).repeated_batches() == 0


def _samples(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "telemetry.db")) as db:
        return db.execute("SELECT samples FROM total").fetchone()[0]


def test_a_collector_with_yesterdays_copy_of_its_store_gets_everything_again(organisation, tmp_path):
    org, agent = organisation, loaded(organisation)
    agent.start()
    grow(agent, 40)
    wait_for(lambda: Store(org).samples() > 0, 90, "samples are stored", agent.process.log)
    org.collector.stop()
    org.copy_store(tmp_path / "yesterday")
    org.start_collector()
    grow(agent, 60)
    arrive_in_full(org, agent, agent.base)
    stored = Store(org).samples()
    org.collector.stop()
    org.restore_store(tmp_path / "yesterday")
    org.start_collector()
    assert _samples(tmp_path / "yesterday") < stored, "the copy is older"
    arrive_in_full(org, agent, agent.base)
    assert Store(org).samples() >= stored, "what was receipted once is stored again"
    check_values(Store(org), agent.device)
    assert org.api("GET", "/gaps")["unexplained"] == 0


# ---- bad input ----


def publish(org, folder, topic, payload: bytes, retain=False):
    """mosquitto_pub with a device's own certificate; whether the broker took it is not asked."""
    file = folder / "payload"
    file.write_bytes(payload)
    subprocess.run(
        ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(org.broker_port), "--insecure", "-V", "mqttv5",
         "--cafile", folder / "ca.pem", "--cert", folder / "certificate.pem", "--key",
         folder / "key.pem", "-q", "1", "-t", topic, "-f", file, *(["-r"] if retain else [])],
        capture_output=True, timeout=20)


def vector(name) -> bytes:
    text = (SOURCE / "tests" / "data" / "wire" / f"{name}.hex").read_text()
    return bytes.fromhex("".join(line.split("#")[0].strip() for line in text.splitlines()))


def test_rubbish_on_every_topic_is_set_aside_once_and_stops_nothing(organisation):
    org = organisation
    good = loaded(org, "good").start()
    bad = org.add_agent("north", "bad")
    part = org.api("GET", f"/devices/{bad.device}")["part"]
    rng = random.Random(7)
    batch = vector("batch-all")
    cases = {
        "empty": b"", "text": b"hello", "noise": rng.randbytes(3000), "newer": b"BL\x63\x03" + bytes(40),
        "no such type": b"BL\x01\x7f" + bytes(40), "cut batch": batch[:len(batch) // 2],
        "foreign hello": vector("hello"), "bomb": batch[:60] + b"\xff" * 200,
        "large": rng.randbytes(262_000),
    }
    for leaf in ("hello", "live", "past", "presence"):
        for payload in cases.values():
            for _ in range(2):  # the second time it is known already
                publish(org, bad.folder, f"bl/1/up/{part:02d}/{bad.device}/{leaf}", payload)
    wrong = (part + 1) % 64
    publish(org, bad.folder, f"bl/1/up/{wrong:02d}/{bad.device}/live", batch)
    for leaf in ("hello", "live", "past"):
        publish(org, bad.folder, f"bl/1/up/{part:02d}/{bad.device}/{leaf}", rng.randbytes(50), retain=True)

    def reasons():
        return {item["reason"] for item in org.api("GET", "/set-aside?limit=1000")["items"]}

    wanted = {"undecodable", "foreign_identity", "wrong_part", "retained"}
    wait_for(lambda: wanted <= reasons(), 20, f"{wanted} are set aside",
             lambda: f"{reasons()}\n{org.collector.log()}")
    items = org.api("GET", "/set-aside?limit=1000")["items"]
    assert len({(i["topic"], i["bytes"], i["detail"], i["id"]) for i in items}) == len(items)
    assert len(items) <= 4 * len(cases) + 4, "a message that came twice is kept once"
    # The collector still runs, and the good agent's data arrive.
    assert org.collector.running()
    grow(good, 40)
    arrive_in_full(org, good, good.base)
    check_values(Store(org), good.device)


def test_a_device_may_not_write_under_another_name(organisation):
    org = organisation
    one = loaded(org, "one")
    two = org.add_agent("north", "two")
    part = org.api("GET", f"/devices/{two.device}")["part"]
    before = len(org.api("GET", "/set-aside")["items"])
    publish(org, one.folder, f"bl/1/up/{part:02d}/{two.device}/live", b"BL\x01\x03rubbish")
    publish(org, one.folder, f"bl/1/up/{part:02d}/{one.device}/live", b"BL\x01\x03rubbish")
    # The second is the sign that the first would have come.
    items = wait_for(lambda: (lambda i: len(i) > before and i)(org.api("GET", "/set-aside")["items"]),
                     10, "the own message arrives", org.collector.log)
    assert {i["device"] for i in items} == {one.device}


# ---- another machine ----


def ip(*args):
    return subprocess.run(["ip", *args], capture_output=True, text=True)


@pytest.fixture
def other_machine():
    """A network namespace joined to this one: (name, our address, its address)."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    name, pair = f"bl{os.getpid()}", f"blv{os.getpid()}"
    made = ip("netns", "add", name)
    if made.returncode != 0:
        pytest.skip(f"no network namespaces here: {made.stderr.strip()}")
    entered = ip("-n", name, "link")
    if entered.returncode != 0:  # a chroot, say: entering one needs a root that is a mount point
        ip("netns", "del", name)
        pytest.skip(f"no network namespace can be entered here: {entered.stderr.strip()}")
    # From the range for documentation, so that it meets no real network.
    ours, its = "198.51.100.1", "198.51.100.2"
    try:
        for command in (("link", "add", pair, "type", "veth", "peer", "name", "eth0", "netns", name),
                        ("addr", "add", f"{ours}/30", "dev", pair), ("link", "set", pair, "up"),
                        ("-n", name, "addr", "add", f"{its}/30", "dev", "eth0"),
                        ("-n", name, "link", "set", "eth0", "up"), ("-n", name, "link", "set", "lo", "up")):
            done = ip(*command)
            assert done.returncode == 0, f"ip {' '.join(command)}: {done.stderr}"
        yield name, ours
    finally:
        ip("link", "del", pair)
        ip("netns", "del", name)


def test_a_second_machine_needs_one_file(other_machine, tmp_path, processes):
    namespace, address = other_machine
    org = Organisation(tmp_path, processes, listen=address).start()
    agent = loaded(org, "second")
    inside = ("ip", "netns", "exec", namespace)
    agent.start(prefix=inside)
    grow(agent, 40)
    diagnosis = subprocess.run(
        [*inside, program("branchline-agent"), "diagnose", "--config", agent.config],
        capture_output=True, text=True, timeout=60)
    assert diagnosis.returncode == 0, diagnosis.stdout + diagnosis.stderr
    agent.stop()
    agent.start(prefix=inside)
    wait_for(lambda: Store(org).samples() > 0, 90, "its samples are stored", agent.process.log)
    check_values(Store(org), agent.device)
    # And with the link gone it says so, and why.
    ip("-n", namespace, "link", "set", "eth0", "down")
    cut = subprocess.run(
        [*inside, program("branchline-agent"), "diagnose", "--config", agent.config],
        capture_output=True, text=True, timeout=60)
    assert cut.returncode != 0 and "unreachable" in (cut.stdout + cut.stderr).lower()
