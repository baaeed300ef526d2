"""One relayed TCP port, on the caller's event loop.

Bytes go through in order or not at all: what is impaired is when they move and how a connection
ends, as on a bad network below TCP. Nothing is ever changed inside the stream.
"""

import asyncio
import random
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass, replace

PIECE_BYTES = 4096
IN_FLIGHT_BYTES = 256 * 1024  # of one direction, while there is a delay
DIAL_S = 5
RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Impairment:
    """What is wrong with a link. Each direction of each connection has it for itself."""

    delay_ms: float = 0  # before a piece is passed on
    jitter_ms: float = 0  # up to so much more, at random; order is kept
    rate_bytes_s: float = None  # None: as fast as it goes
    stall: bool = False  # nothing moves, nothing is lost; who connects waits
    blackhole: bool = False  # what comes is taken and forgotten; who connects hears nothing
    reset_after_bytes: int = None  # a connection is reset when so much went through it (None: never)

    def check(self):
        for name in ("delay_ms", "jitter_ms"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}: expected 0 or more, got {getattr(self, name)!r}")
        for name in ("rate_bytes_s", "reset_after_bytes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name}: expected more than 0, got {value!r}")
        return self


NONE = Impairment()


class _Reset(Exception):
    pass


class _Pipe:
    """Pieces on their way in one direction, each with the time at which it is due."""

    def __init__(self):
        self._pieces = deque()
        self._bytes = 0
        self._changed = asyncio.Event()

    async def put(self, due, data, room_bytes):
        while self._bytes >= room_bytes:
            self._changed.clear()
            await self._changed.wait()
        self._pieces.append((due, data))
        self._bytes += len(data)
        self._changed.set()

    async def first(self):
        """Stays in the pipe until it is taken out: what is on its way counts."""
        while not self._pieces:
            self._changed.clear()
            await self._changed.wait()
        return self._pieces[0]

    def take(self):
        self._bytes -= len(self._pieces.popleft()[1])
        self._changed.set()


class _Connection:
    def __init__(self, link, near):
        self._link = link
        self._near = near
        self._far = None
        self._closed_by_hand = set()  # sockets to which one direction was ended
        self._relayed_bytes = 0
        self.eaten = False  # a blackhole took bytes of it: it can never go on
        self.task = None

    async def run(self):
        clean = False
        try:
            await self._dial()
            clean = await self._relay()
        except (OSError, _Reset, asyncio.TimeoutError, asyncio.CancelledError):
            pass  # both ends see a connection that broke
        finally:
            for sock in (self._near, self._far):
                if sock is not None:
                    if not clean:
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    sock.close()

    async def _dial(self):
        loop = asyncio.get_running_loop()
        await self._link.passable()
        host, port = self._link.target
        family, kind, proto, _, address = (
            await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))[0]
        self._far = socket.socket(family, kind, proto)
        self._far.setblocking(False)
        await asyncio.wait_for(loop.sock_connect(self._far, address), DIAL_S)
        for sock in (self._near, self._far):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def _relay(self):
        """True when both directions came to their end; raises what broke one of them."""
        parts = []
        for source, to in ((self._near, self._far), (self._far, self._near)):
            pipe = _Pipe()
            parts += [self._take(source, pipe), self._give(pipe, to)]
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return True

    async def _take(self, source, pipe):
        link, loop = self._link, asyncio.get_running_loop()
        last_due = 0.0
        while True:
            await link.moving()
            data = await loop.sock_recv(source, link.piece_bytes())
            if link.now.blackhole:
                self.eaten = True
                if data:
                    continue
                return  # an end that nobody hears of
            last_due = max(last_due, time.monotonic() + link.draw_delay_s())
            await pipe.put(last_due, data, link.room_bytes())
            if not data:
                return

    async def _give(self, pipe, to):
        link, loop = self._link, asyncio.get_running_loop()
        free_at = 0.0
        while True:
            due, data = await pipe.first()
            await _until(max(due, free_at))
            await link.moving()
            if link.now.blackhole:
                self.eaten = True
            elif to not in self._closed_by_hand:
                if not data:
                    to.shutdown(socket.SHUT_WR)
                else:
                    await loop.sock_sendall(to, data)
                    self._passed(len(data))
            pipe.take()
            if not data:
                return
            if link.now.rate_bytes_s:
                free_at = max(free_at, time.monotonic()) + len(data) / link.now.rate_bytes_s

    def _passed(self, n):
        self._relayed_bytes += n
        self._link.relayed_bytes += n
        limit = self._link.now.reset_after_bytes
        if limit is not None and self._relayed_bytes >= limit:
            raise _Reset

    def half_close(self, towards_target):
        """False: there is nothing to close (any more)."""
        to = self._far if towards_target else self._near
        if self._far is None or to in self._closed_by_hand:
            return False
        try:
            to.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        self._closed_by_hand.add(to)
        return True


async def _until(mono_s):
    left_s = mono_s - time.monotonic()
    if left_s > 0:
        await asyncio.sleep(left_s)


class Link:
    """Relays a port of loopback to target, (host, port). All calls on the loop's own thread.

    now is the Impairment in force; impair() changes it, for connections that exist as well.
    """

    def __init__(self, target, port=0, host="127.0.0.1", seed=None, connections_max=256):
        self.target = target
        self.host = host
        self.port = port  # 0: the kernel chooses at start()
        self.now = NONE
        self.relayed_bytes = 0
        self.refused = 0  # connections beyond connections_max
        self._connections_max = connections_max
        self._random = random.Random(seed)
        self._connections = set()
        self._listener = None
        self._accepting = None
        self._moves = asyncio.Event()
        self._passes = asyncio.Event()
        self._moves.set()
        self._passes.set()

    @property
    def connections(self):
        return len(self._connections)

    async def start(self):
        self._listener = socket.create_server((self.host, self.port), backlog=64)
        # A large buffer would take in what a slow network would not, and acknowledge it.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE_BYTES)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._accepting = asyncio.ensure_future(self._accept())
        return self

    async def stop(self):
        self._accepting.cancel()
        await asyncio.gather(self._accepting, return_exceptions=True)
        self._listener.close()
        tasks = [connection.task for connection in self._connections]
        self.cut()
        await asyncio.gather(*tasks, return_exceptions=True)

    def impair(self, **changes):
        """Changes what is named and leaves the rest. ValueError: out of bounds, nothing changed."""
        self.now = replace(self.now, **changes).check()
        _set(self._moves, not self.now.stall)
        _set(self._passes, not self.now.stall and not self.now.blackhole)
        if not self.now.blackhole:
            for connection in list(self._connections):
                if connection.eaten:
                    connection.task.cancel()

    def mend(self):
        """Nothing is wrong any more; what a blackhole took bytes of is reset."""
        self.impair(**vars(NONE))

    def cut(self):
        """Resets every connection, also one that waits. New ones are taken."""
        for connection in self._connections:
            connection.task.cancel()

    def half_close(self, towards_target=True):
        """Ends one direction of every connection: the other side goes on and is not told.

        Returns of how many.
        """
        return sum(connection.half_close(towards_target) for connection in self._connections)

    # ---- for the connections ----

    async def moving(self):
        await self._moves.wait()

    async def passable(self):
        await self._passes.wait()

    def draw_delay_s(self):
        return (self.now.delay_ms + self.now.jitter_ms * self._random.random()) / 1000

    def piece_bytes(self):
        """Of a slow link a twentieth of a second, so that bytes trickle and do not come in bursts."""
        rate = self.now.rate_bytes_s
        return PIECE_BYTES if not rate else int(min(PIECE_BYTES, max(64, rate / 20)))

    def room_bytes(self):
        delayed = self.now.delay_ms > 0 or self.now.jitter_ms > 0
        return IN_FLIGHT_BYTES if delayed else self.piece_bytes()

    async def _accept(self):
        loop = asyncio.get_running_loop()
        while True:
            try:
                near, _ = await loop.sock_accept(self._listener)
            except OSError:
                await asyncio.sleep(0.05)  # out of descriptors, or it had gone already
                continue
            if len(self._connections) >= self._connections_max:
                self.refused += 1
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                near.close()
                continue
            near.setblocking(False)
            connection = _Connection(self, near)
            self._connections.add(connection)
            connection.task = asyncio.ensure_future(connection.run())
            connection.task.add_done_callback(
                lambda _, gone=connection: self._connections.discard(gone))


def _set(event, on):
    if on:
        event.set()
    else:
        event.clear()
