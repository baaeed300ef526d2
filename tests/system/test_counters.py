"""Counters whose source begins anew or changes hands while an agent watches: what the centre says they grew by is never
more than what went through, and no rate is a spike.  The interfaces are real ones, in a network of their own."""

import os
import subprocess
import time
import urllib.parse

import pytest

from support.wait import wait_for

INTERFACE = "till0"
FRAME = 1000
CONFIG = """interval: 1s
samplers:
  network: {include: [till0]}
  disk: {enabled: no}
  tcp: {enabled: no}
"""


@pytest.fixture
def network():
    """ip netns exec NAME, as arguments."""
    name = f"bl-counters-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode != 0:
        pytest.skip("no network namespace can be made here (root?)")
    yield ["ip", "netns", "exec", name]
    subprocess.run(["ip", "netns", "delete", name], check=True)


def ip(network, *args):
    subprocess.run([*network, "ip", *args], check=True)


def make(network, name):
    peer = f"{name}-peer"
    ip(network, "link", "add", name, "type", "veth", "peer", "name", peer)
    for end in (name, peer):
        ip(network, "link", "set", end, "addrgenmode", "none", "up")


def send(network, name, frames):
    """So many frames of 1,000 bytes out of an interface."""
    subprocess.run([*network, "/usr/bin/python3", "-c",
                    "import socket, sys\ns = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\ns.bind((sys.argv[1], 0))\n"
                    f"for _ in range(int(sys.argv[2])): s.send(bytes(12) + b'\\x88\\xb5' + bytes({FRAME - 14}))",
                    name, str(frames)], check=True)
    return frames * FRAME


def ticks(agent, n):
    """n more ticks: what happened before is in the first of them, and on disk at the second."""
    before = agent.status()["sampling"]["ticks"]
    wait_for(lambda: agent.status()["sampling"]["ticks"] >= before + n, 60, f"{n} ticks", agent.process.log)


def ask(org, agg, begin, end, metric, step=1000):
    query = {"metric": metric, "agg": agg, "from": begin, "to": end, "step": step, "align": "false"}
    groups = org.api("GET", "/metrics/query?" + urllib.parse.urlencode(query))["groups"]
    return [value for group in groups for value in group["value"] if value is not None]


def test_what_goes_through_interfaces_is_never_told_as_more(organisation, network):
    organisation.tool("site", "add", "Shop")
    agent = organisation.add_agent("shop", "till", config=CONFIG)
    begin = int(time.time() * 1000) - 5000
    make(network, INTERFACE)
    sent = send(network, INTERFACE, 50)
    agent.start(prefix=network)
    agent.process.wait_log("started device=", 60)
    ticks(agent, 1)
    sent += send(network, INTERFACE, 200)
    ticks(agent, 1)
    # Made again: what it counts begins at 0.
    ip(network, "link", "delete", INTERFACE)
    make(network, INTERFACE)
    sent += send(network, INTERFACE, 20)
    ticks(agent, 2)
    # The agent begins anew beside it.
    agent.kill()
    agent.start(prefix=network)
    agent.process.wait_log("started device=", 60, count=2)
    ticks(agent, 1)
    sent += send(network, INTERFACE, 30)
    ticks(agent, 1)
    # Another one takes its name, which has counted far more.
    make(network, "other0")
    other = send(network, "other0", 20000)
    ip(network, "link", "delete", INTERFACE)
    ip(network, "link", "set", "other0", "down")
    ip(network, "link", "set", "other0", "name", INTERFACE)
    ip(network, "link", "set", INTERFACE, "up")
    ticks(agent, 2)
    assert agent.stop() == 0

    # Out of that network: it delivers what it kept.
    agent.start()
    wait_for(lambda: organisation.api("GET", f"/devices/{agent.device}")["data_until_unix_ms"] is not None and
             agent.status()["link"]["state"] == "up" and
             not any(s["waiting_batches"] > 1 for s in agent.status()["spool"]["streams"].values()), 60,
             "what it kept is at the centre", agent.process.log)
    end = int(time.time() * 1000) + 5000
    wait_for(lambda: sum(ask(organisation, "increase", begin, end, "net_sent_bytes_total")) >= 220 * FRAME, 60,
             "the centre knows what went through", organisation.collector.log)
    grown = sum(ask(organisation, "increase", begin, end, "net_sent_bytes_total"))
    assert grown <= sent < other
    assert max(ask(organisation, "rate", begin, end, "net_sent_bytes_total")) <= sent
    # Its own counters, which begin at 0 with every process.
    used = sum(ask(organisation, "increase", begin, end, "agent_cpu_ms_total"))
    assert 0 < used <= 1000 * os.times().children_user + 1000 * os.times().children_system + 60000
