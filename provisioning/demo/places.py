"""The demo's sites, its folder inside the state folder, and its ports."""

import json
import os
import random
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Site:
    id: str
    name: str
    zone: str
    region: str
    cases: str  # what its order numbers begin with

    @property
    def device(self):
        return f"{self.id}-till"


SITES = (
    Site("demo-shanghai", "上海演示店", "Asia/Shanghai", "demo/china", "SH"),
    Site("demo-berlin", "Berlin Demo", "Europe/Berlin", "demo/germany", "BE"),
)


def find_site(text):
    """By id, or by name whatever its case; None: no such one."""
    for site in SITES:
        if text == site.id or text.casefold() == site.name.casefold():
            return site
    return None


def write_json(path, value):
    """Whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")
    os.replace(new, path)


def read_json(path, otherwise):
    """What the file holds when it is of the same kind as otherwise, else that."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return otherwise
    return value if isinstance(value, type(otherwise)) else otherwise


class Folder:
    """STATE/demo."""

    def __init__(self, state):
        self.state = Path(state)
        self.path = self.state / "demo"
        self.mail = self.path / "mail"
        self.control = self.path / "control.sock"
        self.ports = self.path / "ports.json"
        self.definitions = self.path / "definitions.json"
        self.applied = self.path / "applied"
        self.orders = self.path / "orders.json"

    def make(self):
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.mail.mkdir(mode=0o700, exist_ok=True)

    def agent(self, site):
        """The folder of a site's agent, with its agent.yaml."""
        return self.path / site.id

    def steps(self, site):
        return self.agent(site) / "state" / "steps.sock"


def _taken(port):
    """Binds port (0: any free one) on loopback; None when somebody else has it."""
    sock = socket.socket()
    # As servers bind: connections that ended a moment ago do not matter.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
        sock.listen(1)  # two may bind with that option, but only one may listen
    except OSError:
        sock.close()
        return None
    return sock


def _outgoing():
    """Ports that the kernel gives to whoever dials: one of them would be somebody else's at the next start."""
    try:
        first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
        return range(first, last + 1)
    except (OSError, ValueError):
        return range(32768, 61000)


def _new():
    """A port of loopback that nobody has, nor keeps for a server that does not run now."""
    outgoing, choice = _outgoing(), random.SystemRandom()
    for _ in range(1000):
        port = choice.randrange(10000, 65536)
        if port in outgoing:
            continue
        sock = socket.socket()
        try:
            sock.bind(("127.0.0.1", port))
            return sock
        except OSError:
            sock.close()
    return _taken(0)


PORTS = ("mail", "api", *(site.id for site in SITES))


def settle_ports(folder):
    """Those of last time; a free one for each that is new or in use by others.

    All are held until all are known, so that none is given twice.
    """
    before = read_json(folder.ports, {})
    ports, held = {}, []
    for name in PORTS:
        port = before.get(name)
        sock = _taken(port) if isinstance(port, int) and 1024 <= port <= 65535 else None
        sock = sock or _new()
        if sock is None:
            raise OSError("no free port on 127.0.0.1")
        held.append(sock)
        ports[name] = sock.getsockname()[1]
    for sock in held:
        sock.close()
    if ports != before:
        write_json(folder.ports, ports)
    return ports
