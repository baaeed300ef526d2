"""Monitoring plug-ins as scripts, the process that runs them, and an agent that answers it as a test wants."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from .builds import program
from .process import clean_environment


def plugins(*args, timeout=60, **more):
    return subprocess.run([program("branchline-plugins"), *args], capture_output=True, text=True, timeout=timeout,
                          env=clean_environment(), **more)


@pytest.fixture
def place():
    """A folder of root's that everybody can enter; a plug-in below /tmp, which everybody can write, is never run."""
    folder = Path(tempfile.mkdtemp(prefix="branchline-plugins-", dir="/var/lib"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def own(text):
    """Numbers of 1003 to 1009 with this process's behind them: nobody else's plug-in sleeps for so long."""
    return re.sub(r"\b(100[3-9])\b", rf"\1.{os.getpid()}", text)


def script(path, text, mode=0o755):
    path.write_text(f"#!/bin/sh\n{own(text)}\n")
    path.chmod(mode)
    return path


def writable(path):
    path.write_text("")
    os.chown(path, 65534, 65534)  # nobody's
    return path


def check(name, *command, **keys):
    more = "".join(f", {key}: {value}" for key, value in {"interval": "200ms", "timeout": "50s", **keys}.items())
    words = ", ".join('"' + str(word).replace("\\", "\\\\").replace('"', '\\"') + '"' for word in command)
    return f"  - {{name: {name}, command: [{words}]{more}}}\n"


class Plugins:
    def __init__(self, place, processes, checks, extra="", allow=None, user="nobody"):
        self.config, self.socket, self.processes = place / "plugins.yaml", place / "steps.sock", processes
        self.extra, self.allow, self.user = extra, allow or place, user
        self.write(checks)

    def write(self, *checks):
        self.config.write_text(f"socket: {self.socket}\nuser: {self.user}\nallow: [{self.allow}]\n{self.extra}checks:\n" + "".join(checks))

    def start(self):
        self.process = self.processes.start("plugins", [program("branchline-plugins"), "run", "--config", self.config],
                                            env=clean_environment(BL_LOG_TIME="1"))
        self.process.wait_log("started checks=", 20)
        return self

    def test(self, name):
        return plugins("test", name, "--config", self.config)


WORD = re.compile(r'(?:([^\s="]+)=)?(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))')


def words(line):
    """A line of the protocol: its words, and its NAME=VALUE."""
    found = [(name, (quoted.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\") if bare == "" else bare))
             for name, quoted, bare in WORD.findall(line)]
    return [value for name, value in found if not name], {name: value for name, value in found if name}


class Told:
    """Lines of the protocol, looked through."""

    def __init__(self, lines):
        self.lines = lines

    def values(self, metric, **labels):
        """Of all lines of a metric with these labels, the value as text."""
        told = [words(line) for line in list(self.lines)]
        return [w[2] for w, names in told if w[:2] == ["metric", metric] and labels.items() <= names.items()]

    def events(self, name):
        return [names for w, names in map(words, list(self.lines)) if w == ["event", "plugin.state"] and names["check"] == name]


class Agent(threading.Thread, Told):
    """Takes lines as an agent does, once an id, and answers what it is told to."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.lines, self.ids, self.repeated = path, [], set(), 0
        self.answer = lambda line: "ok"
        self.listen()
        self.start()

    def listen(self):
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(str(self.path))
        self.path.chmod(0o666)
        self.server.listen()
        self.server.settimeout(0.2)
        self.over = False

    def run(self):
        while not self.over:
            try:
                connection, _ = self.server.accept()
            except TimeoutError:
                continue
            with connection:
                self.serve(connection)

    def serve(self, connection):
        connection.settimeout(0.2)
        data = b""
        while not self.over:
            try:
                piece = connection.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return
            if not piece:
                return
            *lines, data = (data + piece).split(b"\n")
            for line in lines:
                if not self.take(connection, line.decode()):
                    return

    def take(self, connection, line):
        answer = self.answer(line)
        name = words(line)[1]["id"]
        if answer is None or answer == "ok":
            if name in self.ids:
                self.repeated += 1
                answer = answer and "ok repeated"
            else:
                self.ids.add(name)
                self.lines.append(line)
        if answer is None:
            return False  # it is on disk, and the agent is dead before it could say so
        try:
            connection.sendall(answer.encode() + b"\n")
        except OSError:
            return False
        return True

    def close(self):
        self.over = True
        self.join(10)
        self.server.close()
        self.path.unlink(missing_ok=True)


@pytest.fixture
def inlet(place):
    one = Agent(place / "steps.sock")
    yield one
    one.close()


def alive(text):
    """Processes with this in their command line."""
    found, text = [], own(text)
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text in line.read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                found.append(line.parent.name)
        except OSError:
            continue
    return found
