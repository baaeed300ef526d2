"""Links that die without a word, two machines with one identity, brokers that drop and brokers full of rubbish:
real agents, a real broker, a real collector.
"""

import os
import shutil
import sqlite3
import struct
import subprocess
import time
import zlib

import pytest

from support.builds import program
from support.mqtt_client import Client
from support.oracle import Store, load, silence
from support.org import Agent, Organisation
from support.proxy import Proxy
from support.steps import EventLoad, Reporter
from support.wait import wait_for

LONG = os.environ.get("BL_LONG") == "1"
DETECT_S = 45


# ---- half-open ----


def ip(*args):
    return subprocess.run(["ip", *args], capture_output=True, text=True)


@pytest.fixture
def other_machine():
    """A network namespace joined to this one: (how to run in it, our address)."""
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("nft") is None:
        pytest.skip("needs root, ip and nft")
    name, pair = f"bl-lanes-{os.getpid()}", f"bln{os.getpid()}"
    made = ip("netns", "add", name)
    if made.returncode != 0:
        pytest.skip(f"no network namespaces here: {made.stderr.strip()}")
    try:
        # From the range for documentation, so that it meets no real network.
        for command in (("link", "add", pair, "type", "veth", "peer", "name", "eth0", "netns", name),
                        ("addr", "add", "198.51.100.5/30", "dev", pair), ("link", "set", pair, "up"),
                        ("-n", name, "addr", "add", "198.51.100.6/30", "dev", "eth0"),
                        ("-n", name, "link", "set", "eth0", "up"), ("-n", name, "link", "set", "lo", "up")):
            done = ip(*command)
            if done.returncode != 0:
                pytest.skip(f"no network namespace can be used here: {done.stderr.strip()}")
        yield ("ip", "netns", "exec", name), "198.51.100.5"
    finally:
        ip("link", "del", pair)
        ip("netns", "del", name)


def drop(inside, port):
    """Packets to and from the broker are lost from now on, without a reset."""
    subprocess.run(
        [*inside, "nft", "add table inet t; add chain inet t i { type filter hook input priority 0; };"
         f" add chain inet t o {{ type filter hook output priority 0; }}; add rule inet t i tcp sport {port} drop;"
         f" add rule inet t o tcp dport {port} drop"], check=True)


@pytest.mark.parametrize("working", [True, pytest.param(False, marks=pytest.mark.skipif(
    not LONG, reason="45 s of waiting: BL_LONG=1"))], ids=["steps are reported", "at rest"])
def test_a_link_that_dies_without_a_word_is_found_and_all_arrives_once(other_machine, tmp_path, processes, working):
    inside, address = other_machine
    org = Organisation(tmp_path, processes, listen=address).start()
    org.tool("site", "add", "Far")
    agent = org.add_agent("far", "one", config=silence())
    agent.start(prefix=inside)
    agent.process.wait_log("the collector answered", 30)
    if not working:  # nothing is under way
        wait_for(lambda: agent.status()["uplink"]["in_flight"] == 0, 20, "all is receipted")
    drop(inside, org.broker_port)
    gone = time.monotonic()
    if working:
        with Reporter(agent.folder / "state" / "steps.sock") as reporter:
            for n in range(1, 21):
                assert reporter.ask(f"step event c-{n} process=half id=h-{n} n={n}") == "ok"
    wait_for(lambda: agent.status()["link"]["state"] != "up", DETECT_S, "the agent notices", agent.process.log)
    took = time.monotonic() - gone
    subprocess.run([*inside, "nft", "delete table inet t"], check=True)
    wait_for(lambda: agent.status()["uplink"]["state"] == "ready", 90, "it is back", agent.process.log)
    print(f"noticed after {took:.1f} s")
    if working:
        store = Store(org)

        def numbers():
            return sorted(dict(e["attrs"])["n"] for e in store.events(agent.device)
                          if dict(e["attrs"]).get("process") == "half")
        wait_for(lambda: len(numbers()) >= 20, 30, "the steps arrive", agent.process.log)
        assert numbers() == list(range(1, 21))


# ---- two machines with one identity ----


def test_two_machines_with_one_identity_take_turns_and_are_named(organisation):
    org = organisation
    org.tool("site", "add", "Branch")
    one = org.add_agent("branch", "till", config=load(1))
    copy = one.folder.with_name("copied-disk")
    shutil.copytree(one.folder, copy)
    other = Agent(org, "copy", copy)
    one.start()
    one.process.wait_log("the collector answered", 30)
    other.start()
    other.process.wait_log("the collector answered", 30)

    def told(agent):
        return agent.status()["link"]["rival_returns_per_hour"] >= 2
    wait_for(lambda: told(one) and told(other), 60, "both hear of each other",
             lambda: one.process.log() + other.process.log())
    # One of them has the connection, and the other stays away.
    wait_for(lambda: any((a.status()["link"]["retry_in_ms"] or 0) > 300000 for a in (one, other)), 30,
             "one stays away", lambda: one.process.log() + other.process.log())
    takeovers = org.broker.log().count("already connected, closing old connection")
    assert takeovers <= 12, org.broker.log()
    conflict = wait_for(lambda: (c := org.api("GET", f"/devices/{one.device}")["identity_conflict"]) and
                        len(c["machines"]) == 2 and c["returns"] >= 2 and c, 30, "the centre knows of both",
                        org.collector.log)
    assert {m["address"] for m in conflict["machines"]} == {"127.0.0.1"}
    assert [c["device"] for c in org.api("GET", "/overview")["identity_conflicts"]] == [one.device]
    assert org.api("GET", f"/devices?site=branch")["items"][0]["conflict"]
    text = subprocess.run([one.process.argv[0], "status", "--config", one.config], capture_output=True, text=True,
                          check=False).stdout
    assert "another machine uses this device's identity" in text


# ---- brokers ----


def client_of(org, agent) -> Client:
    """A client with the agent's certificate, which may publish what it likes below its own name."""
    return Client(org.broker_port, agent.device, org.folder / "ca" / "ca.pem", agent.folder / "certificate.pem",
                  agent.folder / "key.pem")


def state(org):
    """Everything that the store holds, but for what it was told and set aside."""
    store = sqlite3.connect(f"file:{org.folder / 'collector' / 'telemetry.db'}?mode=ro", uri=True, timeout=10)
    try:
        return {table: store.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
                for table in ("device", "spool", "stream", "seq_range", "gap", "series", "coverage", "device_report",
                              "identity_party")}
    finally:
        store.close()


def dictionary(spool: bytes) -> bytes:
    """A good one: it would make a series. One entry, stored as it is; see shared/WIRE.md."""
    entry = bytes([3, 1, 0, 4]) + b"junk" + bytes([1]) + b"1" + bytes([0])
    frame = spool + bytes([1, 1, len(entry)]) + struct.pack("<I", zlib.crc32(entry))
    return b"BL\x01\x04" + bytes([1, len(frame)]) + frame + bytes([2, len(entry)]) + entry


def test_retained_rubbish_changes_nothing(organisation):
    """On every topic of many devices and parts, before the collector comes; among it what would be good news."""
    org, each = organisation, 40 if LONG else 4
    org.tool("site", "add", "Junk")
    agents = [org.add_agent("junk", f"till {i}", config=silence()) for i in range(each)]
    agents[0].start()
    agents[0].process.wait_log("the collector answered", 30)
    batches = wait_for(lambda: Store(org).epoch() and org.api("GET", "/status")["batches"], 30, "something is stored")
    assert batches
    agents[0].stop()
    org.collector.stop()
    before, sent = state(org), 1
    with client_of(org, agents[0]) as client:
        part_of_first = next(int(line.split()[1]) for line in agents[0].config.read_text().splitlines()
                             if line.strip().startswith("part:"))
        client.publish(f"bl/1/up/{part_of_first:02d}/{agents[0].device}/live", dictionary(before["spool"][0][1]), retain=True)
        client.settle()
    for agent in agents:
        with client_of(org, agent) as client:
            for part in (p for p in range(64) if agent is not agents[0] or p != part_of_first):
                for kind in ("hello", "live", "past", "presence"):
                    junk = b"BL\x01" + bytes([{"hello": 1, "live": 3, "past": 3, "presence": 7}[kind]]) + os.urandom(40)
                    client.publish(f"bl/1/up/{part:02d}/{agent.device}/{kind}", junk, retain=True)
                    sent += 1
            client.settle()
            assert client.refused == 0
    org.start_collector()
    wait_for(lambda: org.api("GET", "/status")["set_aside"] >= min(sent * 3 // 4, 1000), 60,
             "the rubbish is set aside", org.collector.log)
    assert state(org) == before
    # And real data go on.
    agents[0].start()
    agents[0].process.wait_log("the collector answered", 60)
    stored = org.api("GET", "/status")["batches"]
    wait_for(lambda: org.api("GET", "/status")["batches"] > stored, 30, "its batches arrive", org.collector.log)


@pytest.mark.skipif(not LONG, reason="a minute of waiting: BL_LONG=1")
def test_what_a_broker_drops_comes_again_and_is_told(tmp_path, processes):
    org = Organisation(tmp_path, processes)
    conf = org.folder / "broker" / "mosquitto.conf"
    conf.write_text(conf.read_text().replace("max_inflight_messages 20", "max_inflight_messages 1")
                    .replace("max_queued_messages 2000", "max_queued_messages 1") + "\nsys_interval 1\n")
    org.start()
    org.tool("site", "add", "Drop")
    agents = [org.add_agent("drop", f"till {i}", config=silence()) for i in range(4)]
    loads = []
    for agent in agents:
        agent.start()
        agent.process.wait_log("the collector answered", 30)
        loads.append(EventLoad(agent.device, agent.folder / "state" / "steps.sock", rate=100, padding=1000))
    org.collector.pause()
    for running in loads:
        running.start()
    wait_for(lambda: all(a.status()["uplink"]["in_flight"] >= 3 for a in agents), 60, "much is under way")
    org.collector.resume()
    for running in loads:
        running.finish()
    store = Store(org)

    def arrived():
        return all(len(store.reports(a.device)) >= running.accepted for a, running in zip(agents, loads))
    wait_for(arrived, 120, "all reports arrive", org.collector.log)
    for agent, running in zip(agents, loads):
        assert store.reports(agent.device) == {n: 1 for n in range(1, running.accepted + 1)}
    wait_for(lambda: (org.api("GET", "/status")["broker"]["dropped"] or 0) > 0, 20, "the broker says that it dropped")


# ---- a link that hardly moves ----


def resident_kib(pid) -> int:
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


@pytest.mark.skipif(not LONG, reason="two minutes of waiting: BL_LONG=1")
def test_a_link_that_crawls_and_stalls_costs_no_memory(organisation):
    org = organisation
    org.tool("site", "add", "Slow")
    proxy = Proxy(org.broker_port)
    try:
        agent = org.add_agent("slow", "one", config=load(20)).through(proxy.port)
        (agent.folder / "state").mkdir(mode=0o700)
        subprocess.run([program("fill_spool"), agent.folder / "state" / "spool.db", agent.device, "24", "200", "1"],
                       check=True, capture_output=True)
        proxy.impair(rate_bytes_s=8000)
        agent.start()
        agent.process.wait_log("the collector answered", 60)
        wait_for(lambda: agent.status()["uplink"]["receipted"] >= 3, 60, "some of the backlog is through")
        before = resident_kib(agent.process.pid)
        proxy.impair(rate_bytes_s=1000)
        time.sleep(20)  # the length of the fault
        proxy.stall()
        time.sleep(100)
        most = resident_kib(agent.process.pid) - before
        print(f"resident {before} KiB, {most} KiB more")
        sanitized = b"libasan" in subprocess.run(["ldd", program("branchline-agent")], capture_output=True,
                                                 check=True).stdout
        assert most <= (16384 if sanitized else 1024)
        proxy.mend()
        wait_for(lambda: agent.status()["uplink"]["state"] == "ready", 120, "it goes on", agent.process.log)
    finally:
        proxy.close()
