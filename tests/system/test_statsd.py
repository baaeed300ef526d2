"""The agent's StatsD inlet with clients that others wrote, and with senders that do not stop: every number is
what was sent.
"""

import fcntl
import json
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from support import oracle  # noqa: F401  finds the decoder
import wire_decoder
from support.builds import build_folder, program
from support.spooled import spooled
from support.status import status_of
from support.wait import free_port, wait_for

CLIENTS = Path(__file__).with_name("statsd_clients")


def udp_port():
    while True:
        port = free_port()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            try:
                sock.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Agent:
    """An agent without a centre, with a port and a socket for StatsD."""

    def __init__(self, folder, processes, extra=""):
        self.folder, self.processes = folder, processes
        self.port, self.path, self.stream = udp_port(), folder / "statsd.sock", folder / "stream.sock"
        self.config = folder / "agent.yaml"
        self.config.write_text(
            f"device: {{id: dev-1, site: shop, part: 3}}\n"
            f"broker: {{host: 127.0.0.1, port: {free_port()}}}\n"
            f"state_dir: state\ninterval: 1s\n"
            f"inlets: {{statsd: {{listen: [\"127.0.0.1:{self.port}\", {self.path},\n"
            f"    \"unixstream://{self.stream}\"]{extra}}}}}\n")
        self.start()

    def start(self):
        said, places = "StatsD is taken at=", 3  # opened one after the other
        before = self.process.log().count(said) if hasattr(self, "process") else 0
        self.process = self.processes.start("agent", [program("branchline-agent"), "run", "--config", self.config])
        self.process.wait_log(said, 40, before + places)

    def values(self):
        """What each series had last, by name and labels; without the label that all have."""
        done = subprocess.run([program("branchline-agent"), "top", "--once", "--json", "--config", self.config],
                              capture_output=True, text=True, timeout=60)
        series = json.loads(done.stdout)["series"] if done.returncode == 0 else []
        return {self.key(s["name"], s["labels"]): s.get("value") for s in series
                if s["labels"].get("source") == "statsd"}

    @staticmethod
    def key(name, labels):
        rest = ",".join(f"{k}={v}" for k, v in sorted(labels.items()) if k != "source")
        return f"{name}{{{rest}}}" if rest else name

    def settled(self, **wanted):
        """The values, once those that are wanted are there."""
        last = {}

        def there():
            last.clear()
            last.update(self.values())
            return all(last.get(name) == value for name, value in wanted.items())

        wait_for(there, 60, f"{wanted} in what is measured",
                 lambda: f"{json.dumps(last, indent=1)}\n{self.process.log()}")
        return last

    def close_spool(self):
        """Ends the agent; starting it once more cuts what an earlier run left open."""
        self.process.stop()
        self.start()
        self.process.stop()
        return self.folder / "state" / "spool.db"

    def events(self):
        """Those of the inlet in the spool, oldest first; ends the agent."""
        found = []
        with closing(sqlite3.connect(f"file:{self.close_spool()}?mode=ro", uri=True)) as spool:
            for (message,) in spool.execute("SELECT msg FROM body JOIN batch USING (id) WHERE events > 0 ORDER BY id"):
                found += [e for e in wire_decoder.decode(message)["events"] if e["type"].startswith("statsd.")]
        return found

    def spooled(self, name):
        """All values of a series without tags; ends the agent."""
        return [value for _, value in spooled(self.close_spool())[(name, (("source", "statsd"),))]]


    def state(self):
        return status_of("--config", self.config)


@pytest.fixture
def agent(tmp_path, processes):
    return Agent(tmp_path, processes)


@pytest.fixture(scope="module")
def clients():
    """The folder of the clients from npm, as the lock file has them; fetched once for all that run tests here."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not there")
    folder = build_folder() / "statsd-clients"
    folder.mkdir(exist_ok=True)
    lock = (CLIENTS / "package-lock.json").read_bytes()
    have = folder / "installed.json"
    with open(folder / "lock", "w") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if not have.exists() or have.read_bytes() != lock:
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(CLIENTS / name, folder)
            try:
                done = subprocess.run([npm, "ci", "--ignore-scripts", "--omit=optional", "--fetch-timeout=20000",
                                       "--fetch-retries=1"], cwd=folder, capture_output=True, text=True, timeout=120)
            except subprocess.TimeoutExpired:
                pytest.skip("the clients cannot be fetched: npm does not end")
            if done.returncode != 0:
                said = done.stderr.splitlines() or ["npm does not say why"]
                pytest.skip(f"the clients cannot be fetched: {said[0]}")
            have.write_bytes(lock)

    def run(script, *args):
        subprocess.run([node, CLIENTS / script, *map(str, args)], check=True, timeout=120,
                       env={"NODE_PATH": str(folder / "node_modules"), "PATH": "/usr/bin:/bin"})

    return run


def check(values, wanted):
    wrong = {name: (values.get(name), value) for name, value in wanted.items() if values.get(name) != value}
    assert not wrong, f"is, should be: {wrong}"


def test_hot_shots_is_understood(agent, clients):
    clients("hot_shots.cjs", agent.port)
    values = agent.settled(**{"tele_work_count{env=prod}": 1, "dog_work_count{env=prod}": 1,
                              "tele_orders_created_total{env=prod}": 1000})
    for prefix in ("dog", "tele"):
        check(values, {
            f"{prefix}_orders_created_total{{env=prod}}": 1000,
            f"{prefix}_orders_created_total{{env=prod,shop=7}}": 1,
            f"{prefix}_a_first_total{{env=prod}}": 1,
            f"{prefix}_a_second_total{{env=prod}}": 1,
            f"{prefix}_stock_decremented_total{{env=prod}}": 3,
            f"{prefix}_sampled_total{{env=prod}}": 4,
            f"{prefix}_queue{{env=prod}}": 15,
            f"{prefix}_u8d1fu8f7d{{env=prod}}": 3,
            f"{prefix}_page_load_count{{env=prod}}": 3,
            f"{prefix}_page_load_sum{{env=prod}}": 70,
            f"{prefix}_page_load_max{{env=prod}}": 40,
            f"{prefix}_size_count{{env=prod}}": 3,
            f"{prefix}_size_sum{{env=prod}}": 6,
            f"{prefix}_weight_sum{{env=prod}}": 12.25,
        })
    check(values, {"dog_db_up_status{env=prod,shop=7}": 2})
    # Its own telemetry counts what we cannot see: so many metrics did it send.
    assert [n for n in values if n.startswith("datadog_dogstatsd_client_metrics_total")], sorted(values)
    check_state(agent, bad=0)
    events = [(e["type"], dict(e["attrs"])) for e in agent.events()]
    assert events == [
        ("statsd.event", {"title": "dog.Deploy", "text": "first line\nsecond line", "priority": "low",
                          "alert_type": "warning", "source_type": "ci", "env": "prod", "shop": "7"}),
        ("statsd.check", {"check": "dog.db.up", "status": "critical", "host": "till-7", "message": "no answer",
                          "env": "prod", "shop": "7"})], events


def check_state(agent, bad):
    """Nothing that was sent is refused, by the log's word."""
    refused = [line for line in agent.process.log().splitlines() if "is not taken" in line or "is refused" in line]
    assert len(refused) == bad, refused


def test_statsd_client_is_understood(agent, clients):
    clients("statsd_client.cjs", agent.port)
    values = agent.settled(**{"etsy_child_calls_total{shop=7,tier=gold}": 2, "etsy_orders_total": 105})
    check(values, {"etsy_stock_decremented_total": 4, "etsy_queue": 13, "etsy_page_sum": 120, "etsy_page_p99": 120,
                   "etsy_size_count": 1})
    check_state(agent, bad=0)


def test_what_a_shell_sends_is_taken(agent):
    for way in (["-u", "127.0.0.1", str(agent.port)], ["-uU", str(agent.path)]):
        subprocess.run(["nc", "-q0", *way], input="orders:3|c|#shop:7\nt:21.5|g\n", text=True, check=True, timeout=20)
    check(agent.settled(**{"orders_total{shop=7}": 6}), {"t": 21.5})


def test_senders_that_wait_for_nobody_are_counted_to_the_last(agent):
    """Four programs at the Unix socket, which holds back who is too fast, and none of it is lost; also not what
    comes right before an orderly end."""
    each = 3000

    def send(k):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.connect(str(agent.path))
            for n in range(each):
                sock.send(f"all:1|c\nby:{k}|c|#k:{k}\nt:{n % 7}|ms".encode())

    threads = [threading.Thread(target=send, args=(k,)) for k in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    values = agent.settled(all_total=4 * each)
    check(values, {f"by_total{{k={k}}}": k * each for k in range(1, 5)})
    check(values, {"t_count": 4 * each, "t_sum": 4 * sum(n % 7 for n in range(each))})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(str(agent.path))
        sock.send(b"all:5|c")
    spooled_ones = agent.spooled("all_total")
    assert spooled_ones[0] == 0 and spooled_ones[-1] == 4 * each + 5  # all of it is growth


def increase(values):
    """What a counter grew by, as shared/codec's bl_increase has it."""
    grown = 0
    for before, value in zip(values, values[1:]):
        if value >= before:
            grown += value - before
        elif before - value > before / 8:
            grown += value
    return grown


def test_a_counter_that_begins_anew_has_grown_by_what_was_sent(agent):
    """Over kill -9, a reload that opens the inlet anew, and an orderly end. (What was sent since the last tick
    before a kill -9 is lost: so it is waited for.)"""
    def send(n):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.connect(str(agent.path))
            sock.send(f"all:{n}|c".encode())

    send(100)
    agent.settled(all_total=100)
    agent.process.kill()
    agent.start()
    send(95)  # so close that a fall would look like a source that stepped back
    agent.settled(all_total=95)
    agent.config.write_text(agent.config.read_text().replace("listen:", "max_series: 500, listen:"))
    send(5)
    opened = agent.process.log().count("StatsD is taken")
    agent.process.signal(signal.SIGHUP)
    wait_for(lambda: agent.process.log().count("StatsD is taken") == opened + 3, 40, "it is open anew",
             agent.process.log)
    send(7)
    assert increase(agent.spooled("all_total")) == 100 + 95 + 5 + 7


def test_of_a_flood_every_packet_is_counted_or_named_as_lost(tmp_path, processes):
    """UDP holds nobody back: what the kernel had no room for is in the numbers and in the ledger."""
    agent = Agent(tmp_path, processes, ", receive_buffer: 64KiB")
    sent = 20000
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", agent.port))
        for _ in range(sent):
            sock.send(b"flood:1|c")
    last = {}

    def all_there():
        last.update(agent.state()["inlets"]["statsd"])
        return last["counts"]["packets"] + last["refused"]["dropped_packets"] == sent

    wait_for(all_there, 60, f"{sent} packets, taken or dropped", lambda: f"{last}")
    dropped = last["refused"]["dropped_packets"]
    agent.settled(flood_total=sent - dropped)
    assert last["lost"] == dropped
    if dropped > 0:
        wait_for(lambda: any(g["reason"] == "overload" for g in agent.state()["gaps"]), 60, "the ledger names it",
                 agent.process.log)


def test_another_address_than_this_machines_is_refused(agent):
    agent.process.stop()
    agent.config.write_text(agent.config.read_text().replace("127.0.0.1:", "0.0.0.0:", 1).replace(
        f"\"127.0.0.1:{agent.port}\"", f"\"0.0.0.0:{agent.port}\""))
    done = subprocess.run([program("branchline-agent"), "run", "--config", agent.config], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 78 and "StatsD has no passwords" in done.stderr, done.stderr


def test_a_stream_has_packets_with_their_length_and_values_with_their_time(agent):
    """As DogStatsD clients write them to unixstream:///PATH, in pieces that fall anywhere."""
    hour_ago = int(time.time()) - 3600
    packets = [b"orders:1|c|#shop:7", f"level:5|g|T{hour_ago}\nlevel:6|g|c:ci-1|T{hour_ago + 60}".encode(),
               f"paid:12|c|T{hour_ago}\nlevel:7|g|T{hour_ago - 90000}".encode(), b"orders:2|c|#shop:7|card:low"]
    whole = b"".join(struct.pack("<I", len(p)) + p for p in packets)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(str(agent.stream))
        for piece in (whole[:3], whole[3:30], whole[30:]):
            sock.sendall(piece)
        got = agent.settled(**{"orders_total{shop=7}": 3, "level": 6, "paid_counted": 12})
    assert "paid_total" not in got
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(20)
        sock.connect(str(agent.stream))
        sock.sendall(struct.pack("<I", 100000))  # a length of more than a packet may have
        assert sock.recv(1) == b""
    now = agent.state()["inlets"]["statsd"]
    assert (now["counts"]["stamped"], now["refused"]["bad_time"], now["refused"]["bad_frames"]) == (3, 1, 1)
    rows = spooled(agent.close_spool())
    (first, five), (second, six) = rows[("level", (("source", "statsd"),))]
    assert (five, six) == (5, 6) and abs(second - first - 60000) < 2000
