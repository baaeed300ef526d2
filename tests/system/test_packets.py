"""A broker that takes 20,000 bytes and no more: what was cut before anybody knew gets through all the same.

A real Mosquitto with max_packet_size 20000, an agent, and a stand-in for the collector
(fake_centre.c).
"""

import base64
import os
import re
import socket

from support.wait import free_port, wait_for
from test_agent import Centre, Device

LIMIT = 20000
EVENTS = 60


def report(path, n):
    """n steps whose notes do not compress, 1 KB each."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(path))
        answers = client.makefile("rb")
        for k in range(n):
            note = base64.b64encode(os.urandom(744)).decode()
            client.sendall(f'step event order-{k} id=e{k} note="{note}"\n'.encode())
            assert answers.readline() == b"ok\n"


def test_what_is_larger_than_the_broker_takes_arrives_in_parts(tmp_path, pki, brokers, processes):
    port = free_port()
    device = Device(tmp_path / "agent", pki, port, processes).start()
    wait_for((tmp_path / "agent" / "state" / "steps.sock").exists, 10, "steps can be reported")
    report(tmp_path / "agent" / "state" / "steps.sock", EVENTS)

    broker = brokers(port=port, max_packet_size=LIMIT)
    centre = Centre(tmp_path, pki, port)
    try:
        def came():
            return re.findall(r"batch stream=1 seq=\d+ samples=\d+ events=(\d+) .* bytes=(\d+)",
                              centre.log())

        wait_for(lambda: sum(int(events) for events, _ in came()) >= EVENTS, 40,
                 "all steps arrive", lambda: centre.log() + device.process.log())
        sizes = [int(size) for _, size in came()]
        assert max(sizes) <= LIMIT and sum(sizes) > 2 * LIMIT
        # Once each (and the agent's own, of its start), over one connection that nobody closed.
        seqs = re.findall(r"batch stream=1 seq=(\d+)", centre.log())
        assert len(seqs) == len(set(seqs))
        assert sum(int(events) for events, _ in came()) <= EVENTS + 5
        # What is cut every minute may be on its way.
        wait_for(lambda: all(stream["waiting_batches"] <= 1
                             for stream in device.state()["spool"]["streams"].values()),
                 20, "nothing of the past waits", lambda: device.status().stdout)
        assert "presence online=0" not in centre.log()
        assert "oversize" not in broker.log()
    finally:
        centre.stop()
