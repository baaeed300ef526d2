"""A TCP relay on loopback that makes a good network bad: slow, stalled or cut."""

import selectors
import socket
import threading
import time

_PIECE = 4096


class Proxy:
    """Relays `port` to `target_port`; one thread, any number of connections.

    rate_bytes_s (None: as fast as it goes) holds for each direction of each
    connection.  stall() stops moving bytes and keeps connections open, resume()
    goes on, cut() resets all connections (new ones are taken).
    """

    def __init__(self, target_port: int, rate_bytes_s=None):
        self.target_port = target_port
        self.rate_bytes_s = rate_bytes_s
        self.relayed_bytes = 0
        self._stalled = False
        self._cut = False
        self._ended = False
        self._pairs = {}
        self._free_at = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        # A large buffer would take in what a slow network would not, and acknowledge it.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stall(self):
        self._stalled = True

    def resume(self):
        self._stalled = False

    def cut(self):
        self._cut = True

    def close(self):
        self._ended = True
        self._thread.join(10)

    def _run(self):
        while not self._ended:
            ready = self._selector.select(0.02)
            if self._cut:
                self._cut = False
                for sock in list(self._pairs):
                    self._drop(sock)
                continue
            if self._stalled:
                time.sleep(0.02)
                continue
            for key, _ in ready:
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj in self._pairs:
                    self._relay(key.fileobj)
        for sock in list(self._pairs):
            self._drop(sock)
        self._listener.close()

    def _accept(self):
        try:
            near, _ = self._listener.accept()
        except OSError:
            return
        try:
            far = socket.create_connection(("127.0.0.1", self.target_port), 5)
        except OSError:
            near.close()
            return
        for a, b in ((near, far), (far, near)):
            a.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs[a] = b
            self._free_at[a] = 0.0
            self._selector.register(a, selectors.EVENT_READ)

    def _relay(self, sock):
        now = time.monotonic()
        if now < self._free_at[sock]:
            time.sleep(min(0.005, self._free_at[sock] - now))
            return
        try:
            data = sock.recv(_PIECE)
            if data:
                self._pairs[sock].sendall(data)
        except OSError:
            data = b""
        if not data:
            self._drop(sock)
            return
        self.relayed_bytes += len(data)
        if self.rate_bytes_s:
            self._free_at[sock] = now + len(data) / self.rate_bytes_s

    def _drop(self, sock):
        other = self._pairs.pop(sock, None)
        for end in (sock, other):
            if end is None:
                continue
            self._pairs.pop(end, None)
            self._free_at.pop(end, None)
            try:
                self._selector.unregister(end)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            except (KeyError, OSError, ValueError):
                pass
            end.close()
