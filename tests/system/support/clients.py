"""The clients of agent/clients at work: a program in each of their languages that says what it is told, and what may
stand in the agent's place.
"""

import os
import select
import shlex
import shutil
import socket
import subprocess
import threading
from pathlib import Path

from .builds import SOURCE, program
from .process import clean_environment

CLIENTS = SOURCE / "agent" / "clients"
DRIVERS = Path(__file__).resolve().parents[1] / "clients"
SHELLS = {"shell": ("branchline-agent", {}), "shell with nc": ("nc", {"BRANCHLINE_WAY": "nc"}),
          "shell with socat": ("socat", {"BRANCHLINE_WAY": "socat"})}
NEEDS = {"python": "python3", "c": "cc", "c++": "c++", "node": "node", "php": "php", "java": "javac"}
LANGUAGES = [*NEEDS, *SHELLS]


def tag(language):
    return language.replace("+", "p").replace(" ", "-")


def plain(value):
    return str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, float) else str(value)


class Driver:
    """A program in one of the languages that says what it is told, over a socket."""

    def __init__(self, language, folder, path, timeout_ms=60000, wait_ms=0):
        self.language = language
        limits = [] if language in SHELLS else [CLIENTS, str(timeout_ms), str(wait_ms)]
        self.popen = subprocess.Popen([*command(language, folder)[0], *limits], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, cwd=folder,
                                      env=environment(language, path, wait_ms, timeout_ms))
        if language in SHELLS:
            self.write(f". {shlex.quote(str(CLIENTS / 'branchline.sh'))}\n")

    def write(self, text):
        self.popen.stdin.write(text.encode())
        self.popen.stdin.flush()

    def say(self, report):
        verb, said, attributes = report
        if self.language in SHELLS:
            places = ["case", "type", "name", "value"] + (["step"] if verb != "step_event" else [])
            words = [said[name] for name in places if name in said]
            for name in sorted({*said} - {*places}):
                if name in said:
                    words += [f"--{name}", said[name]]
            words += [f"{name}={plain(value)}" for name, value in attributes.items()]
            words = " ".join(map(shlex.quote, words))
            self.write(f"said=$(branchline_{verb} {words} 2>&1) && end=0 || end=$?\n"
                       "printf '%s %s\\036' $end \"$said\"\n")
            return
        fields = [verb, *(f"{name}={value}" for name, value in said.items())]
        for name, value in attributes.items():
            kind = "t" if isinstance(value, str) else "b" if isinstance(value, bool) else "n"
            fields.append(f"{kind}:{name}={plain(value)}")
        self.write("\x1f".join(fields) + "\x1e")

    def hear(self):
        answer = b""
        while not answer.endswith(b"\x1e"):
            assert select.select([self.popen.stdout], [], [], 120)[0], f"{self.language}: no answer, {answer}"
            more = os.read(self.popen.stdout.fileno(), 65536)
            assert more, f"{self.language}: ended with {self.popen.wait(10)}, {answer}"
            answer += more
        answer = answer[:-1].decode()
        if self.language in SHELLS:
            end, text = answer.split(" ", 1)
            return {"0": "accepted", "1": "failed", "2": "refused"}[end] + (f" {text}" if text else "")
        return answer

    def ask(self, report):
        self.say(report)
        return self.hear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.stdin.close()
        self.popen.stdout.close()
        self.popen.wait(60)


def missing(language):
    """The program that is not there, or None."""
    need = SHELLS[language][0] if language in SHELLS else NEEDS[language]
    return None if need == "branchline-agent" or shutil.which(need) else need


def make(language, folder):
    """What has to be compiled."""
    c = [DRIVERS / "driver.c", f"-I{CLIENTS}", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    example = [CLIENTS / "examples" / "order.c", *c[1:]]
    compilers = {
        "c": ["cc", "-std=c99", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", *c, "-o",
              folder / "driver-c"],
        "c example": ["cc", "-std=c99", *example, "-o", folder / "order-c"],
        "c++": ["c++", "-std=c++11", "-x", "c++", *c, "-o", folder / "driver-c++"],
        "c++ example": ["c++", "-std=c++11", "-x", "c++", *example, "-o", folder / "order-c++"],
        "java": ["javac", "-J-XX:TieredStopAtLevel=1", "-encoding", "UTF-8", "-Xlint:all", "-Werror", "-d", folder,
                 CLIENTS / "Branchline.java", DRIVERS / "Driver.java",
                 CLIENTS / "examples" / "Order.java"],
    }
    for name in {language, f"{language} example"} & {*compilers}:
        done = subprocess.run(compilers[name], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr


def command(language, folder):
    """How its driver is run, and how its example is."""
    examples, java = CLIENTS / "examples", ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", folder]
    return {
        "python": (["/usr/bin/python3", DRIVERS / "driver.py"], ["/usr/bin/python3", examples / "order.py"]),
        "c": ([folder / "driver-c"], [folder / "order-c"]),
        "c++": ([folder / "driver-c++"], [folder / "order-c++"]),
        "node": (["node", DRIVERS / "driver.mjs"], ["node", examples / "order.mjs"]),
        "php": (["php", DRIVERS / "driver.php"], ["php", examples / "order.php"]),
        "java": ([*java, "Driver"], [*java, "Order"]),
    }.get(language, (["sh"], ["sh", examples / "order.sh"]))


def environment(language, path, wait_ms=0, timeout_ms=60000):
    env = clean_environment(BRANCHLINE_SOCKET=str(path))
    if language in SHELLS:
        env.update(SHELLS[language][1], BRANCHLINE_WAIT=str(wait_ms // 1000),
                   BRANCHLINE_TIMEOUT=str(max(1, timeout_ms // 1000)),
                   PATH=f"{program('branchline-agent').parent}:{env['PATH']}")
    return env


class Relay(threading.Thread):
    """Stands between clients and the agent, and keeps the first answer to every line from them until it is let
    go: then it closes their connections instead."""

    def __init__(self, path, agent):
        super().__init__(daemon=True)
        self.path, self.agent, self.seen, self.held = path, agent, set(), 0
        self.lock, self.let_go = threading.Lock(), threading.Event()
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with Short(path) as short:
            self.server.bind(short)
        self.server.listen(64)
        self.start()

    def run(self):
        while True:
            client, _ = self.server.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, client.makefile("rb") as lines:
            for line in lines:
                try:
                    answer = self.agent.ask(line).encode() + b"\n"
                except OSError:
                    return  # the agent is dead
                with self.lock:
                    first = line not in self.seen
                    self.seen.add(line)
                    self.held += first
                if first:
                    self.let_go.wait(120)
                    return
                client.sendall(answer)


class Scripted(threading.Thread):
    """Answers as an agent in trouble does, by the type of the event."""

    ANSWERS = {
        "later": ["error: not stored: the disk is full; try again later", "ok"],
        "crowded": ["error: too many connections at a time; try again later", "ok"],
        "slow": ["error: not on disk after 8 s: the disk is full; it waits in memory", "ok repeated"],
        "full": ["error: not stored: the disk is full; try again later"],
        "wrong": ['error: column 8: expected a type, got "not stored"', "ok"],
        "odd": ["what?", "ok repeated"],
    }

    def __init__(self, path):
        super().__init__(daemon=True)
        self.asked = {name: 0 for name in self.ANSWERS}
        self.ids = {name: set() for name in self.ANSWERS}
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with Short(path) as short:
            self.server.bind(short)
        self.server.listen(64)
        self.start()

    def run(self):
        while True:
            client, _ = self.server.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, client.makefile("rb") as lines:
            for line in lines:
                words = shlex.split(line.decode())
                answers = self.ANSWERS[words[1]]
                self.ids[words[1]].add(words[2])
                answer = answers[min(self.asked[words[1]], len(answers) - 1)]
                self.asked[words[1]] += 1
                client.sendall(answer.encode() + b"\n")


class Short:
    """A name for a socket in a folder whose name is too long for one."""

    def __init__(self, path):
        self.path = Path(path)

    def __enter__(self):
        self.folder = os.open(self.path.parent, os.O_PATH)
        return f"/proc/self/fd/{self.folder}/{self.path.name}"

    def __exit__(self, *_):
        os.close(self.folder)
