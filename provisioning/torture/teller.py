"""Tells an agent of steps, each with an id of its own, and repeats one until its answer is "ok".

So every number up to the last one told must be in the store once, whatever is killed meanwhile.
"""

import os
import random
import socket
import threading

PACE_S = 0.4
ANSWER_S = 10


class Teller(threading.Thread):
    def __init__(self, agent, seed):
        super().__init__(daemon=True)
        self._agent = agent
        self._random = random.Random(seed)
        self._stop_now = threading.Event()
        self._free = threading.Lock()  # held while a step is told
        self._sock = None
        self._lines = None
        self.told = 0  # steps 1..told were answered "ok"

    def run(self):
        while not self._stop_now.wait(PACE_S):
            with self._free:
                self._tell_next()

    def pause(self):
        """True: nothing is under way, and nothing is told until resume(). False: something is; ask again."""
        return self._free.acquire(timeout=0.05)

    def resume(self):
        self._free.release()

    def tell_big(self, seconds):
        """While paused: one large step that compresses badly. False: it was not taken (yet)."""
        noise = [self._random.randbytes(700).hex()[:960] for _ in range(3)]
        text = " ".join(f"noise{i}={part}" for i, part in enumerate(noise))
        return self._tell(self.told + 1, text, seconds)

    def tell_one(self):
        """After stop(), or while paused: one step; it may not be taken."""
        return self._tell(self.told + 1, "", ANSWER_S)

    def stop(self):
        self._stop_now.set()
        self.join(3 * ANSWER_S)
        self._hang_up()

    def _tell_next(self):
        while not self._stop_now.is_set():
            if self._tell(self.told + 1, "", ANSWER_S):
                return
            self._stop_now.wait(PACE_S)

    def _tell(self, n, more, seconds):
        case, verb = n // 4, ("begin", "end", "event", "event")[n % 4]
        line = f"step {verb} {self._agent.device}-c{case} pack process=torture id={self._agent.device}-{n} number={n} {more}\n"
        try:
            if self._sock is None:
                self._dial()
            self._sock.settimeout(seconds)
            self._sock.sendall(line.encode())
            answer = self._lines.readline()
        except OSError:
            answer = b""
        if answer not in (b"ok\n", b"ok repeated\n"):
            self._hang_up()
            return False
        self.told = n
        return True

    def _dial(self):
        folder = os.open(self._agent.spool_folder, os.O_PATH)
        try:
            self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._sock.settimeout(ANSWER_S)
            self._sock.connect(f"/proc/self/fd/{folder}/steps.sock")
            self._lines = self._sock.makefile("rb")
        finally:
            os.close(folder)

    def _hang_up(self):
        if self._sock is not None:
            self._sock.close()
        self._sock = self._lines = None
