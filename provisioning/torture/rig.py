"""The scratch organisation: made with the public tools, and everything in it can be killed."""

import http.client
import json
import os
import random
import re
import shutil
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from process import Failed, Program, run

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from impair import Proxy  # noqa: E402

SMALL_SPOOL_MIB = 1
SAMPLING = """
# Written by `branchline torture`.
interval: 1s
samplers:
  cpu: { enabled: false }
  memory: { enabled: false }
  disk: { enabled: false }
  network: { enabled: false }
  pressure: { enabled: false }
  tcp: { enabled: false }
  time: { enabled: false }
  sensors: { enabled: false }
  kernel: { enabled: false }
  uptime: { enabled: false }
  self: { enabled: false }
"""


def _outgoing():
    """Ports that the kernel gives to whoever dials."""
    try:
        first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
        return range(int(first), int(last) + 1)
    except (OSError, ValueError):
        return range(32768, 61000)


def free_ports(n):
    """Ports of loopback that nobody has. Not from those that the kernel gives to whoever dials: a program
    that is killed and started again would find its own port taken one day, perhaps by the link that dials it."""
    outgoing, held = _outgoing(), []
    choice = random.SystemRandom()
    while len(held) < n:
        port = choice.randrange(10000, 65536)
        if port in outgoing:
            continue
        sock = socket.socket()
        try:
            sock.bind(("127.0.0.1", port))  # without SO_REUSEADDR: somebody may keep it for a server that does not run now
        except OSError:
            sock.close()
            continue
        held.append(sock)
    ports = [sock.getsockname()[1] for sock in held]
    for sock in held:
        sock.close()
    return ports


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class _Admin(http.client.HTTPConnection):
    """HTTP over the collector's Unix socket, through its folder's descriptor: paths may be long."""

    def __init__(self, folder):
        super().__init__("localhost", timeout=10)
        self._folder = folder

    def connect(self):
        folder = os.open(self._folder, os.O_PATH)
        try:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(f"/proc/self/fd/{folder}/admin.sock")
        finally:
            os.close(folder)


def read_only(path, timeout=5):
    # immutable would not see the log; a reader of a dead writer's file needs the -shm that it makes.
    return closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=timeout))


class Broker:
    """Mosquitto as `branchline init` configures it, but with a database that can be lost or be old."""

    def __init__(self, state, port, log):
        self.port = port
        self._folder = state / "broker" / "db"
        self._older = state / "broker" / "older"
        conf = state / "broker" / "mosquitto.conf"
        text = conf.read_text()
        if "persistence false\n" not in text:
            raise Failed(f"{conf}: expected the line \"persistence false\"")
        self._folder.mkdir()
        self._older.mkdir()
        conf.write_text(text.replace("persistence false\n", "persistence true\nautosave_interval 2\n"
                                     f"persistence_location {self._folder}/\n"))
        mosquitto = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        self.program = Program("broker", [mosquitto, "-c", conf], log)

    def up(self):
        return self.program.running() and listens(self.port)

    def start(self):
        self.program.start()

    def lose_database(self):
        shutil.rmtree(self._folder)
        self._folder.mkdir()

    def keep_database(self):
        """Something to come back with, later."""
        for file in self._folder.iterdir():
            shutil.copy2(file, self._older)

    def put_older_back(self):
        for file in self._older.iterdir():
            shutil.copy2(file, self._folder)

    def has_older(self):
        return any(self._older.iterdir())


class Collector:
    def __init__(self, binary, state, log):
        self.folder = state / "collector"
        self.store = self.folder / "telemetry.db"
        self._copy = state / "store-copy.db"
        self.program = Program("collector", [binary, "run", "--config", self.folder / "collector.yaml"], log)

    def api(self, path):
        """The parsed answer, or None while it does not answer."""
        connection = _Admin(self.folder)
        try:
            connection.request("GET", "/api/v1" + path)
            answer = connection.getresponse()
            body = answer.read()
            return json.loads(body) if answer.status == 200 else None
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()

    def up(self):
        status = self.api("/status") if self.program.running() else None
        return status is not None and status["broker"]["live"] == "up" and status["broker"]["past"] == "up"

    def copy_store(self):
        """A backup by SQLite's own means, while the collector runs or not."""
        self._copy.unlink(missing_ok=True)
        with read_only(self.store, 20) as source, closing(sqlite3.connect(self._copy)) as to:
            source.backup(to)

    def beyond_copy(self):
        """Batches, (spool id, stream, seq), that the store holds and its copy does not."""
        here, there = (self._batches(path) for path in (self.store, self._copy))
        return here - there

    @staticmethod
    def _batches(path):
        with read_only(path, 20) as db:
            return set(db.execute("SELECT lower(hex(p.uuid)), b.stream, b.seq FROM batch b JOIN spool p"
                                  " ON p.id = b.spool_id"))

    def put_copy_back(self):
        """The collector must not run."""
        for end in ("", "-wal", "-shm"):
            self.store.with_name(self.store.name + end).unlink(missing_ok=True)
        shutil.move(self._copy, self.store)

    def forget_copy(self):
        self._copy.unlink(missing_ok=True)


class Agent:
    def __init__(self, name, small, binary, folder, broker_port, series, log, seed):
        self.name = name
        self.small = small
        self.folder = folder
        self.device = None
        self.link = Proxy(broker_port, seed=seed)
        self._series = series
        self._config = folder / "agent.yaml"
        self._binary = binary
        self.spool_folder = folder / "state"
        self.program = Program(name, [binary, "run", "--config", self._config], log)

    def set_up(self, file, device):
        run(self._binary, "setup", file, "--dir", self.folder)
        file.unlink()
        self.device = device
        text = self._config.read_text()
        text, n = re.subn(r"^  port: \d+$", f"  port: {self.link.port}", text, count=1, flags=re.M)
        if n != 1:
            raise Failed(f"{self._config}: expected a line with the broker's port")
        self._base = text + (f"spool:\n  max_bytes: {SMALL_SPOOL_MIB}MiB\n" if self.small else "") + SAMPLING
        self.sample(True)

    def sample(self, on):
        """Takes effect with the next start."""
        more = f"  synthetic: {{ enabled: true, series: {self._series} }}\n" if on else ""
        self._config.write_text(self._base + more)

    def spool_file(self):
        found = list(self.spool_folder.glob("*.db"))
        if len(found) != 1:
            raise Failed(f"expected one spool in {self.spool_folder}, found {len(found)}")
        return found[0]

    def made(self):
        return len(list(self.spool_folder.glob("*.db"))) == 1

    def answered(self):
        """The collector has answered this run: what an earlier one left open has been cut."""
        status = self.status()
        return status is not None and status.get("uplink", {}).get("state") == "ready"

    def status(self):
        """What the agent says of itself; None: it does not answer."""
        try:
            return json.loads(run(self._binary, "status", "--config", self._config, "--json"))
        except (Failed, ValueError):
            return None


class Organisation:
    def __init__(self, folder, programs, n_agents, series, seed):
        """programs: tool, agent, collector: paths."""
        self.folder = folder
        self.state = folder / "state"
        self.log = folder / "log"
        self.log.mkdir()
        self._programs = programs
        rng = random.Random(seed)
        broker_port, board_port = free_ports(2)
        self.tool("init", "--organisation", "Torture", "--listen", "127.0.0.1", "--zone", "UTC",
                  "--broker-port", broker_port, "--port", board_port)
        # The judge reads batches as they came: none goes into a part while it still has to be counted.
        with open(self.state / "collector" / "collector.yaml", "a", encoding="utf-8") as config:
            config.write("compact:\n  pack: false\n")
        self.broker = Broker(self.state, broker_port, self.log / "broker.log")
        self.collector = Collector(programs["collector"], self.state, self.log / "collector.log")
        self.agents = []
        try:
            for i in range(n_agents):
                name = f"a{i + 1}"
                self.agents.append(Agent(name, i == n_agents - 1, programs["agent"], folder / name,
                                         broker_port, series, self.log / f"{name}.log",
                                         rng.randrange(2**32)))
        except BaseException:
            self.end()
            raise

    def tool(self, *args):
        return run(self._programs["tool"], *args, "--state", self.state)

    def programs(self):
        return [self.broker.program, self.collector.program, *(a.program for a in self.agents)]

    def start(self, until):
        self.broker.start()
        self.need(until, self.broker.up, 15, self.broker.program, "listens")
        self.collector.program.start()
        self.need(until, self.collector.up, 60, self.collector.program, "answers and is connected")
        self.tool("site", "add", "Torture", "--id", "torture", "--zone", "UTC")
        for agent in self.agents:
            lines = self.tool("device", "add", "torture", agent.name, "--id", f"torture-{agent.name}").splitlines()
            agent.set_up(Path(lines[1]), f"torture-{agent.name}")
            agent.program.start()
        for agent in self.agents:
            self.need(until, agent.answered, 60, agent.program, "is connected", 0.3)

    @staticmethod
    def need(until, condition, seconds, program, what, pace_s=0.05):
        if not until.wait(condition, seconds, pace_s):
            raise Failed(f"after {seconds} s it is not so that {program.name} {what}; it said last:\n{program.last_words()}")

    def megabytes(self):
        """Of the whole folder."""
        total = 0
        for folder, _, files in os.walk(self.folder):
            for file in files:
                try:
                    total += os.stat(os.path.join(folder, file)).st_blocks * 512
                except OSError:
                    pass  # gone between
        return total / 2**20

    def end(self):
        """Ends what was started, and nothing else. Again: does nothing."""
        for agent in self.agents:
            agent.link.close()
        for program in reversed(self.programs()):
            program.kill()
