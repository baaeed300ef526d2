"""What the link says that the network carried, held against the firewall's own counters.

A broker and a device in a network namespace of their own, where nothing else speaks; nftables
counts every IP packet between them, also those that are lost on the way.
"""

import json
import os
import shutil
import subprocess

import pytest

from support.link import Probe

ROUNDS = 3


@pytest.fixture
def counted():
    """A namespace and its counters: prefix, read() -> (out, in) of a port, losses of what goes there."""
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("nft") is None:
        pytest.skip("needs root, ip and nft")
    name = f"bl-bytes-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode != 0:
        pytest.skip("network namespaces are not allowed here")
    prefix = ["ip", "netns", "exec", name]
    try:
        # Packets as a network has them: the counters would see one header for many segments.
        subprocess.run([*prefix, "ip", "link", "set", "lo", "mtu", "1500", "gso_max_segs", "1", "up"],
                       check=True)
        yield Counters(prefix)
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


class Counters:
    def __init__(self, prefix):
        self.prefix = prefix

    def nft(self, text):
        subprocess.run([*self.prefix, "nft", text], check=True)

    def watch(self, port, lost_of_100=0):
        self.nft("add table inet t; "
                 "add counter inet t away; add counter inet t back; "
                 "add chain inet t o { type filter hook output priority 0; }; "
                 "add chain inet t i { type filter hook input priority 0; }; "
                 f"add rule inet t o tcp dport {port} counter name away; "
                 f"add rule inet t i tcp sport {port} counter name back")
        if lost_of_100:
            self.nft(f"add rule inet t i tcp dport {port} numgen inc mod {100 // lost_of_100} < 1 drop")

    def read(self):
        done = subprocess.run([*self.prefix, "nft", "-j", "list", "counters"], check=True,
                              capture_output=True, text=True)
        found = {c["counter"]["name"]: c["counter"]["bytes"]
                 for c in json.loads(done.stdout)["nftables"] if "counter" in c}
        return found["away"], found["back"]


def near(told, true, share):
    return abs(told - true) <= share * true + 200


@pytest.mark.parametrize("lost", [0, 5])
def test_bytes_are_those_that_the_network_carried(pki, brokers, counted, lost):
    broker = brokers(prefix=counted.prefix)
    counted.watch(broker.port, lost)
    device = Probe(pki, pki.device("link-a"), broker.port, "resume=1", "backoff_ms=20,40", "puback_ms=30000",
                   host="127.0.0.1", prefix=counted.prefix)
    try:
        told = []
        for n in range(ROUNDS):  # connections of it
            device.event("up", 30)
            for size in (60000, 300):
                device.send(f"publish bl/1/up/07/link-a/live {size} {n}")
                device.event("published", 30)
            device.send("stats")
            told.append(device.event("stats"))
            if n + 1 < ROUNDS:
                device.send("drop again")
                device.event("down", 30)
        device.send("stop")
        device.event("down", 30)
        device.send("stats")
        told.append(device.event("stats"))
    finally:
        device.end()
    away, back = counted.read()
    last = told[-1]
    print(f"told {last['ip_out']} out, {last['ip_in']} in; counted {away} and {back}; "
          f"records {last['wire_out']} and {last['wire_in']}")
    for before, after in zip(told, told[1:]):
        assert after["ip_out"] > before["ip_out"] and after["ip_in"] >= before["ip_in"]
    assert near(last["ip_out"], away, 0.01)
    # What comes again because our word for it was lost, and says in more bytes than usual what has come, is known by
    # number alone.
    assert near(last["ip_in"], back, 0.3 if lost else 0.03)
    # The records alone would be told apart from it: headers are not nothing.
    assert last["wire_out"] < 0.99 * away and last["wire_in"] < 0.8 * back
