"""A machine whose clock is wrong, in every way a clock can be: what it sampled lands where it was.

The agent, the broker and the collector are real; only the agent's clock is played (clock_fault.c). Boot time is
the machine's own, so the truth of every event is its boot time plus one number that this test knows.
"""

import json
import mmap
import os
import re
import socketserver
import ssl
import struct
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest

from support.builds import program
from support.wait import wait_for

LONG = bool(os.environ.get("BL_LONG"))
TICK_MS = 1000
YEAR_MS = 365 * 86_400_000


def now_ms(clock=time.CLOCK_REALTIME):
    return time.clock_gettime_ns(clock) // 1_000_000


class Clock:
    """The played clock of one agent."""

    def __init__(self, folder):
        self.file = folder / "clock"
        self.file.write_bytes(bytes(40))
        with open(self.file, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 40)
        self.slept_ms = 0
        self.say(now_ms())

    def say(self, unix_ms, speed_pct=100, synced=False, slept_ms=None):
        self.slept_ms = self.slept_ms if slept_ms is None else slept_ms
        self.map[:] = struct.pack("qqqqq", unix_ms, now_ms(time.CLOCK_MONOTONIC), speed_pct, self.slept_ms, synced)

    def env(self):
        # The sanitizer wants to be the first library, which LD_PRELOAD denies it.
        return {**os.environ, "LD_PRELOAD": str(program("clock_fault.so")), "BL_CLOCK_FAULT": str(self.file),
                "ASAN_OPTIONS": "verify_asan_link_order=0"}

    @staticmethod
    def truth_ms():
        """Wall time less boot time, as this machine's own clocks have it."""
        return now_ms() - now_ms(time.CLOCK_BOOTTIME)


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path)


def till(org):
    org.tool("site", "add", "North")
    return org.add_agent("north", "till", config=f"interval: {TICK_MS}ms")


def ticks(agent):
    return agent.status()["sampling"]["ticks"]


def wait_log(agent, text, count=1):
    wait_for(lambda: agent.process.log().count(text) >= count, 20, f"{count} times {text!r}", agent.process.log)


def events(org, device):
    return org.api("GET", f"/devices/{device}/events?limit=1000")["items"]


def series_id(org, device, name):
    return next(s["id"] for s in org.api("GET", f"/devices/{device}/series")["items"] if s["name"] == name)


def sampled(org, device, from_ms, to_ms):
    """{second: samples} of a series that every tick has."""
    answer = org.api("GET", f"/query?series={series_id(org, device, 'agent_cpu_ms_total')}"
                            f"&from={from_ms}&to={to_ms}&step={TICK_MS}")
    points = answer["series"][0]["points"]
    return {t: n for t, n in zip(points["t"], points["n"]) if n > 0}


def cut(org, agent):
    """Another connection: what is open is cut, sent and stored."""
    org.broker.kill()
    wait_for(lambda: agent.status()["link"]["state"] != "up", 20, "the link is lost", agent.process.log)
    org.start_broker()
    wait_for(lambda: agent.status()["uplink"]["state"] == "ready", 40, "the collector answers", agent.process.log)


def all_there(org, agent):
    state = agent.status()["spool"]["streams"]
    return all(s["waiting_batches"] == 0 for s in state.values())


def test_diagnose_refuses_no_certificate_by_a_clock_of_1970(organisation, clock):
    """Where the agent itself gets through."""
    agent = till(organisation)
    clock.say(1000)
    done = subprocess.run([program("branchline-agent"), "diagnose", "--config", agent.config],
                          env=clock.env(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    assert "this machine's clock is wrong (1970-" in done.stdout


def test_what_is_sampled_under_every_wrong_clock_lands_within_a_tick_of_the_truth(organisation, clock):
    """1970 at boot and no link; then the centre's word; then a clock that is set 20 years ahead (in the long form: an
    hour back, a second back), stands (and runs at twice its speed): one tick a second, none lost, none doubled, none misplaced."""
    org = organisation
    agent = till(org)
    truth, begin = Clock.truth_ms(), now_ms()
    org.broker.kill()
    clock.say(1000)
    agent.start(env=clock.env())
    wait_log(agent, "certificates are not refused for their dates")
    wait_for(lambda: ticks(agent) >= 3, 10, "it samples without the time", agent.process.log)
    assert agent.status()["clock"]["trusted"] is False
    assert "the clock is not known" in str(agent.status()["health"]["reasons"])

    # TLS before the time: the broker's certificate begins 56 years after what the clock says.
    org.start_broker()
    wait_for(lambda: agent.status()["clock"]["trusted"], 40, "the centre's answer tells the time", agent.process.log)
    known = agent.status()["clock"]
    assert known["source"] == "centre" and known["before_known_time"] and known["uncertainty_ms"] < 5000
    assert abs(known["wall_less_known_ms"] + now_ms()) < 60_000

    wrong = (20 * YEAR_MS, -3_600_000, -3_601_000) if LONG else (20 * YEAR_MS,)
    for steps, ahead_ms in enumerate(wrong, 1):
        clock.say(now_ms() + ahead_ms)
        wait_log(agent, "wall clock was set", steps)
    assert agent.status()["clock"]["trusted"], "a trusted segment does not depend on the wall clock"
    for speed in (0, 200) if LONG else (0,):
        clock.say(now_ms(), speed_pct=speed)
        n = ticks(agent)
        wait_for(lambda: ticks(agent) >= n + 6, 20, "it samples on", agent.process.log)
    if LONG:
        wait_log(agent, "runs at a wrong speed")  # so many in a row: that is no hand
        clock.say(now_ms())
        wait_for(lambda: "runs as it should again" in agent.process.log(), 60, "it is trusted to run", agent.process.log)

    n, end = ticks(agent), now_ms()
    cut(org, agent)
    found = {}

    def complete():
        found.clear()
        found.update(sampled(org, "north-till", begin - 10_000, now_ms() + 10_000))
        return sum(found.values()) >= n
    wait_for(complete, 30, f"{n} ticks are stored", lambda: f"{found}\n{agent.process.log()}")
    doubt_ms = known["uncertainty_ms"]  # of the centre's answer, as long as that was on its way
    assert min(found) >= begin - TICK_MS - doubt_ms and max(found) <= now_ms() + doubt_ms
    up_to_n = {t: k for t, k in found.items() if t < end - 2 * TICK_MS - doubt_ms}
    whole = (max(up_to_n) - min(up_to_n)) // TICK_MS + 1
    missed = agent.status()["sampling"]["missed_ticks"]  # a machine that has too much to do
    assert whole - missed - 1 <= sum(up_to_n.values()) <= whole + 1, ("one a second", missed, up_to_n)
    assert max(up_to_n.values()) <= 2, "a tick beside its second, but none twice"

    told = events(org, "north-till")
    assert {"agent.start", "clock.step"} <= {e["type"] for e in told}
    for e in told:
        wrong = abs(e["unix_ms"] - (e["boot_ms"] + truth))
        assert wrong <= max(TICK_MS, e["uncertainty_ms"]), e
    step = [e for e in told if e["type"] == "clock.step" and e["attrs"]["after_ms"] > now_ms() + 19 * YEAR_MS]
    assert len(step) == 1, "the step of 20 years is an event that says from where to where"
    assert org.api("GET", "/status")["set_aside"] == 0, "nothing is refused for its date"

    # What is kept for the next start is the map's time: a clock that was ahead would be "after" for twenty years.
    clock.say(now_ms() + 20 * YEAR_MS)
    agent.stop()
    kept = [int(word) for file in agent.folder.rglob("time") for word in file.read_text().split()]
    assert len(kept) == 2 and all(abs(ms - now_ms()) < 60_000 for ms in kept), kept
    if match := re.search(r"ERROR|runtime error", agent.process.log()):
        pytest.fail(match.group(0))


@contextmanager
def shaking_hands(cert):
    """The port of a server that does nothing but TLS handshakes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert.cert, cert.key)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            try:
                context.wrap_socket(self.request, server_side=True).close()
            except OSError:
                pass  # the client did not like it

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def test_a_certificate_that_begins_later_than_the_clock_stands_says_that_the_clock_is_wrong(
        tmp_path, pki, brokers, processes, clock):
    """TLS before the time: connected without anybody's help, the reason told, believed again once it was set. A probe
    of such a server does not call it down meanwhile."""
    broker = brokers(server=pki.server_not_yet_valid())
    cert, config = pki.device("dev-early"), tmp_path / "agent.yaml"
    with shaking_hands(pki.server_not_yet_valid()) as port:
        config.write_text(
            f"device: {{id: dev-early, site: shop, part: 3}}\n"
            f"broker: {{host: 127.0.0.1, port: {broker.port}, verify_name: localhost, ca: {pki.ca},\n"
            f"         certificate: {cert.cert}, key: {cert.key}}}\nstate_dir: state\ninterval: 1s\n"
            f"probes: [{{name: web, kind: tls, host: localhost, port: {port}, ca_file: {pki.ca}, interval: 1s, timeout: 1s}}]\n")
        agent = processes.start("agent", [program("branchline-agent"), "run", "--config", config], env=clock.env())
        wait_for(lambda: "the broker's certificate begins later" in agent.log(), 20, "the reason is told", agent.log)

        def status(*args):
            return subprocess.run([program("branchline-agent"), "status", "--config", config, *args],
                                  capture_output=True, text=True, timeout=20).stdout

        def probed(name):
            now = json.loads(subprocess.run([program("branchline-agent"), "top", "--config", config, "--json"],
                                            capture_output=True, text=True, timeout=20).stdout)
            return now["probes"][0]["state"], [s.get("value") for s in now["series"] if s["name"] == name]
        wait_for(lambda: probed("probe_certificate_days") == ("up", [None]), 20, "its date is not judged", agent.log)
        state = json.loads(status("--json"))
        assert state["link"]["state"] == "up" and state["link"]["attempts"] == 1
        assert state["clock"]["before_known_time"] and state["clock"]["floor_by_certificate"]
        assert "(the broker's certificate begins then)" in status()
        clock.say(now_ms() + 31 * 86_400_000, synced=True)
        wait_for(lambda: not json.loads(status("--json"))["clock"]["before_known_time"], 20, "the clock is believed", agent.log)
        wait_for(lambda: probed("probe_certificate_days")[1] not in ([], [None]), 20, "its days are known", agent.log)
        assert probed("probe_certificate_days")[0] == "up"


def test_a_machine_that_slept_names_the_time_and_makes_up_for_nothing(organisation, clock):
    """Boot time went on for ten minutes, monotonic time stood; NTP dies meanwhile and does not stay "ntp"."""
    org = organisation
    agent = till(org)
    clock.say(now_ms(), synced=True)
    agent.start(env=clock.env())
    wait_log(agent, "started device")
    wait_for(lambda: agent.status()["clock"]["source"] == "ntp" and ticks(agent) >= 2, 20, "NTP is believed",
             agent.process.log)
    before, begun_ms = agent.status(), now_ms()
    clock.say(now_ms() + 600_000, synced=False, slept_ms=600_000)
    wait_log(agent, "nothing was sampled for a while")
    wait_log(agent, "not synchronised any more")
    after = agent.status()
    took_s = (now_ms() - begun_ms) / 1000  # however long a busy machine needs for it
    assert after["sampling"]["ticks"] - before["sampling"]["ticks"] <= took_s + 3, "no burst for 600 missed ticks"
    assert 590 <= after["sampling"]["missed_ticks"] <= 605 + took_s + before["sampling"]["missed_ticks"]
    off = [g for g in after["gaps"] if g["reason"] == "off" and g["stream"] == "host"]
    assert off, after["gaps"]
    clock_now = after["clock"]
    assert clock_now["kernel_synced"] is False and clock_now["uncertainty_ms"] > 1000, "the doubt has grown"
    assert "synchronised no more" in agent_text(agent)


def agent_text(agent):
    return subprocess.run([program("branchline-agent"), "status", "--config", agent.config], capture_output=True,
                          text=True, timeout=20).stdout
