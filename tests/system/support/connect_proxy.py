"""An HTTP proxy for CONNECT on loopback, as strict or as bad as a test wants it.

It records every request head and the first bytes that each tunnel carried, so that a test can say
what left the device in the clear.
"""

import base64
import socket
import threading


class ConnectProxy:
    """`names`: host name -> (host, port) that the proxy itself knows, as a proxy inside a company
    does; other names are refused with 502.  `user`: "name:password" that it demands.  `answer`:
    bytes to say instead of working.  `hold_s`: an Event to wait for before it answers."""

    def __init__(self, names=None, user=None, answer=None, hold=None, pieces=None):
        self.names = dict(names or {})
        self.user = user
        self.answer = answer
        self.hold = hold
        self.pieces = pieces  # the size of the pieces in which an answer is sent
        self.heads = []
        self.first = []  # what each tunnel carried first, from the device
        self.accepted = 0
        self._ends = []
        self._lock = threading.Lock()
        self._flow = threading.Event()
        self._flow.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def option(self) -> str:
        return f"proxy=127.0.0.1:{self.port}"

    def cut(self):
        """Ends all tunnels with a reset."""
        with self._lock:
            ends, self._ends = self._ends, []
        for sock in ends:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stall(self):
        """Tunnels stand still, silently; new ones are not answered."""
        self._flow.clear()

    def flow(self):
        self._flow.set()

    def close(self):
        self._listener.close()
        self.flow()
        self.cut()

    def _run(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            with sock:
                head = b""
                while b"\r\n\r\n" not in head:
                    more = sock.recv(4096)
                    if not more:
                        return
                    head += more
                self.heads.append(head)
                if self.hold is not None:
                    self.hold.wait(30)
                self._answer(sock, head)
        except OSError:
            pass

    def _say(self, sock, text: bytes):
        for at in range(0, len(text), self.pieces or 65536):
            sock.sendall(text[at:at + (self.pieces or 65536)])

    def _answer(self, sock, head: bytes):
        if self.answer is not None:
            self._say(sock, self.answer)
            sock.shutdown(socket.SHUT_WR)
            while more := sock.recv(4096):
                self.first.append(more)
            return
        if self.user is not None:
            wanted = b"Basic " + base64.b64encode(self.user.encode())
            if b"Proxy-Authorization: " + wanted + b"\r\n" not in head:
                self._say(sock, b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                                b'Proxy-Authenticate: Basic realm="branch"\r\n\r\n')
                return
        host, port = head.split(b" ")[1].decode().rsplit(":", 1)
        target = self.names.get(host)
        if target is None:
            self._say(sock, b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            return
        with socket.create_connection((target[0], target[1] or int(port)), timeout=10) as far:
            self._say(sock, b"HTTP/1.1 200 Connection established\r\nVia: 1.1 branch\r\n\r\n")
            self._tunnel(sock, far)

    def _tunnel(self, near, far):
        with self._lock:
            self._ends += [near, far]
        back = threading.Thread(target=self._copy, args=(far, near, False), daemon=True)
        back.start()
        self._copy(near, far, True)
        back.join(10)

    def _copy(self, source, sink, note: bool):
        try:
            source.settimeout(None)
            while data := source.recv(65536):
                if note:
                    self.first.append(data)
                    note = False
                self._flow.wait()
                sink.sendall(data)
        except OSError:
            pass
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
