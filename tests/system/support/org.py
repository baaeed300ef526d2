"""A whole organisation on loopback, made by the public tools as a user would: `branchline init`,
Mosquitto, the collector, devices with their agents.  Also a client for the REST API.

    org = Organisation(tmp_path, processes)     # the fixture `organisation` does this
    org.start()                                 # broker and collector
    org.tool("site", "add", "North")
    agent = org.add_agent("north", "till 1", config={"interval": "1s"})
    org.api("GET", "/overview")
"""

import http.client
import json
import shutil
import socket
import subprocess
from pathlib import Path

from .broker import MOSQUITTO
from .builds import program
from .ports import holders, listens
from .process import Process, Processes
from .status import runs, status_of
from .wait import free_port, wait_for


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=90)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class ApiError(AssertionError):
    def __init__(self, status, body):
        super().__init__(f"status {status}: {body}")
        self.status = status
        self.body = body


class Agent:
    """One device with its folder; `process` runs while it is started."""

    def __init__(self, org: "Organisation", device: str, folder: Path):
        self.org = org
        self.device = device
        self.folder = folder
        self.config = folder / "agent.yaml"
        self.process: Process = None
        self.program: Path = None  # another one than branchline-agent
        self._is_new = False

    def start(self, env=None, prefix=()) -> "Agent":
        self.process = self.org.processes.start(
            f"agent-{self.device}",
            [*prefix, self.program or program("branchline-agent"), "run", "--config", self.config], env=env)
        self._is_new = True
        return self

    def kill(self):
        self.process.kill()

    def stop(self) -> int:
        return self.process.stop()

    def status(self) -> dict:
        """What `status --json` says; of one that was just started, when it answers."""
        if self._is_new and self.process.running():
            wait_for(lambda: runs("--config", self.config) or not self.process.running(), 20,
                     "the agent answers", self.process.log)
            self._is_new = False
        return status_of("--config", self.config)

    def step(self, *args):
        """branchline-agent step ARGS, as a script at the branch would say it."""
        done = subprocess.run([program("branchline-agent"), "step", *args, "--config", self.config],
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    def through(self, port: int) -> "Agent":
        """Reaches the broker by another port of this machine: a relay's."""
        text = self.config.read_text()
        assert text.count(f"port: {self.org.broker_port}") == 1, text
        self.config.write_text(text.replace(f"port: {self.org.broker_port}", f"port: {port}"))
        return self

    def spool(self) -> Path:
        found = list(self.folder.rglob("*.db"))
        assert len(found) == 1, f"expected one spool below {self.folder}, found {found}"
        return found[0]


class Organisation:
    def __init__(self, folder: Path, processes: Processes, listen="127.0.0.1", name="Test Org",
                 web_root=None, init=(), settings=""):
        """init: further options of `branchline init`; settings: YAML text for collector.yaml."""
        self.folder = Path(folder) / "state"
        self.processes = processes
        self.listen = listen
        self.broker_port = free_port()
        self.board_port = free_port()
        self.broker: Process = None
        self.collector: Process = None
        self.tool("init", "--organisation", name, "--listen", listen, "--zone", "Asia/Shanghai",
                  "--broker-port", str(self.broker_port), "--port", str(self.board_port),
                  *(["--web-root", web_root] if web_root else []), *init)
        if settings:
            with open(self.folder / "collector" / "collector.yaml", "a", encoding="utf-8") as file:
                file.write("\n" + settings)

    # ---- programs ----

    def tool(self, *args, check=True) -> subprocess.CompletedProcess:
        """branchline ARGS on this organisation."""
        done = subprocess.run([program("branchline"), *args, "--state", self.folder],
                              capture_output=True, text=True, timeout=180)
        if check and done.returncode != 0:
            raise AssertionError(f"branchline {' '.join(map(str, args))}: {done.stdout}{done.stderr}")
        return done

    def start_broker(self):
        """Returns when this very broker listens: another one at its port would hide that it has ended."""
        assert self.broker is None or not self.broker.running(), "the broker runs already"
        self.broker = self.processes.start(
            "mosquitto", [MOSQUITTO, "-c", self.folder / "broker" / "mosquitto.conf"])

        def listening():
            assert self.broker.running(), self._why_no_broker()
            return listens(self.broker.pid, self.broker_port)
        wait_for(listening, 10, "the broker listens", self._why_no_broker)

    def _why_no_broker(self):
        log = self.broker.log()
        taken = f"\nat its port: {holders(self.broker_port)}" if "already in use" in log else ""
        return f"mosquitto {self.broker.state()}; it wrote:\n{log}{taken}"

    def start_collector(self, env=None):
        assert self.collector is None or not self.collector.running(), "the collector runs already"
        self.collector = self.processes.start(
            "collector", [program("branchline-collector"), "run", "--config",
                          self.folder / "collector" / "collector.yaml"], env=env)

        def answers():
            assert self.collector.running(), f"the collector {self.collector.state()}; it wrote:\n{self.collector.log()}"
            try:
                return self.api("GET", "/status")["broker"]["live"] == "up"
            except (OSError, ApiError, http.client.HTTPException):
                return False
        wait_for(answers, 30, "the collector answers and is connected", self.collector.log)

    def start(self) -> "Organisation":
        self.start_broker()
        self.start_collector()
        return self

    # ---- the API, as the local administrator ----

    def api(self, method, path, body=None):
        """The parsed answer of /api/v1 + path; ApiError for a status of 400 and more."""
        connection = _UnixConnection(self.folder / "collector" / "admin.sock")
        try:
            data = None if body is None else json.dumps(body)
            headers = {} if body is None else {"Content-Type": "application/json"}
            connection.request(method, "/api/v1" + path, data, headers)
            answer = connection.getresponse()
            text = answer.read()
            parsed = json.loads(text) if text else None
            if answer.status >= 400:
                raise ApiError(answer.status, parsed)
            return parsed
        except OSError as error:
            if self.collector is None or self.collector.running():
                raise
            raise ConnectionError(f"{error}: the collector {self.collector.state()}; it wrote:\n{self.collector.log()}") from error
        finally:
            connection.close()

    def define(self, **kinds):
        """branchline define apply of {"processes": [...], "kpis": [...], "rules": [...], "channels": [...]}."""
        file = self.folder / "definitions.json"
        file.write_text(json.dumps(kinds), encoding="utf-8")
        self.tool("define", "apply", file)

    # ---- devices ----

    def add_agent(self, site: str, name: str, config: str = "", device: str = None,
                  folder: Path = None, options=()) -> Agent:
        """Registers a device (options: further ones of `device add`), sets an agent up from its file in the
        folder, and appends config (YAML text)."""
        args = ["device", "add", site, name, *options]
        if device:
            args += ["--id", device]
        lines = self.tool(*args).stdout.splitlines()
        device, file = lines[0].split()[1], Path(lines[1])
        folder = folder or self.folder.parent / f"agent-{device}"
        done = subprocess.run(
            [program("branchline-agent"), "setup", file, "--dir", folder],
            capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        agent = Agent(self, device, folder)
        if config:
            agent.config.write_text(agent.config.read_text() + "\n" + config)
        return agent

    def copy_store(self, to: Path):
        """Yesterday's copy of the collector's databases (the collector must not run)."""
        shutil.copytree(self.folder / "collector", to)

    def restore_store(self, copy: Path):
        shutil.rmtree(self.folder / "collector")
        shutil.copytree(copy, self.folder / "collector")
