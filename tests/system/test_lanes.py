"""Links that die without a word, two machines with one identity, brokers that drop and brokers full of rubbish:
real agents, a real broker, a real collector.
"""

import os
import shutil
import subprocess
import time

import pytest

from support.oracle import Store, load, silence
from support.org import Agent, Organisation
from support.steps import Reporter
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
    conflict = org.api("GET", f"/devices/{one.device}")["identity_conflict"]
    assert len(conflict["machines"]) == 2 and conflict["returns"] >= 2
    assert {m["address"] for m in conflict["machines"]} == {"127.0.0.1"}
    assert [c["device"] for c in org.api("GET", "/overview")["identity_conflicts"]] == [one.device]
    assert org.api("GET", f"/devices?site=branch")["items"][0]["conflict"]
    text = subprocess.run([one.process.argv[0], "status", "--config", one.config], capture_output=True, text=True,
                          check=False).stdout
    assert "another machine uses this device's identity" in text
