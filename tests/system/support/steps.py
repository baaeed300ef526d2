"""Programs at a branch that report steps: one connection to an agent's step socket, and a load of
numbered reports that goes on over every death of the agent.
"""

import os
import socket
import struct
import threading
from pathlib import Path

from .wait import PATIENCE


class Reporter:
    """One connection to the step socket."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Blocking: a call that has a timeout of Python's is refused at once where many wait to be taken in.
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 60, 0))
        # A socket address is short, and the folders of tests are not.
        folder = os.open(Path(path).parent, os.O_PATH)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{Path(path).name}")
        except OSError:
            self.sock.close()
            raise
        finally:
            os.close(folder)
        self.sock.settimeout(30)
        self.answers = self.sock.makefile("rb")

    def say(self, line):
        self.sock.sendall(line if isinstance(line, bytes) else line.encode() + b"\n")

    def hear(self):
        return self.answers.readline().decode().rstrip("\n")

    def ask(self, line):
        self.say(line)
        return self.hear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.answers.close()
        self.sock.close()


class EventLoad(threading.Thread):
    """Reports 1, 2, 3 ... to one agent, `burst` at a time, `rate` a second at most, until finish().

    `accepted` is the highest number up to which all were answered "ok": the agent's word that they are
    on disk, told over a socket and not read from its files. Whoever got no answer says it again with
    the same id, as a careful program does. The oracle: report n carries v = f(n), so what is stored
    needs no record to be judged by.
    """

    def __init__(self, device, socket_path, rate=200, burst=8, padding=200):
        super().__init__(daemon=True)
        self.device, self.path, self.pause, self.burst = device, socket_path, burst / rate, burst
        self.padding = padding
        self.accepted = self.generated = self.repeated = 0
        self.ended = 0  # connections that have ended, all their answers read
        self.failure = None
        self._finish = threading.Event()

    def id(self, n):
        return f"{self.device}-{n}"

    @staticmethod
    def value(n):
        return (n * 2654435761) % (1 << 32)

    def line(self, n):
        # Hardly compressible, so that batches fill and are cut while the load goes on.
        filling = "".join(f"{self.value(n * 1000 + i):08x}" for i in range(self.padding // 8))
        return f"step event c-{n} process=load id={self.id(n)} n={n} v={self.value(n)} f={filling}"

    def run(self):
        try:
            while not (self._finish.is_set() and self.accepted == self.generated):
                try:
                    with Reporter(self.path) as reporter:
                        try:
                            self._report(reporter)
                        finally:
                            self.ended += 1
                except OSError:
                    self._finish.wait(0.02)  # the agent is dead; its next life listens again
        except Exception as failure:  # told by finish(), in the test's own thread
            self.failure = failure

    def _report(self, reporter):
        while True:
            if self._finish.is_set() and self.accepted == self.generated:
                return
            # What may have been said without an answer comes first, and nothing new after finish().
            first, last = self.accepted + 1, self.accepted + self.burst
            if self._finish.is_set():
                last = self.generated
            self.generated = max(self.generated, last)
            reporter.say(b"".join(self.line(n).encode() + b"\n" for n in range(first, last + 1)))
            for n in range(first, last + 1):
                answer = reporter.hear()
                if answer == "" or answer.startswith("error: not "):
                    return  # killed under us, or the disk is not ready: said again
                if answer not in ("ok", "ok repeated"):
                    raise AssertionError(f"report {n} was answered {answer!r}")
                self.repeated += answer == "ok repeated"
                self.accepted = n
            self._finish.wait(self.pause)

    def finish(self, timeout_s=60.0):
        """No new report; those without an answer get one. The agent must run."""
        self._finish.set()
        self.join(timeout_s * PATIENCE)
        assert self.failure is None, self.failure
        assert not self.is_alive(), f"{self.generated - self.accepted} reports got no answer"
