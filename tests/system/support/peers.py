"""Servers that are not what they should be.  All on loopback, all with `port` and `close()`."""

import base64
import hashlib
import socket
import ssl
import threading


class Silent:
    """Accepts at the TCP level and never says a word."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def close(self):
        self._listener.close()


class BlackHole:
    """A port whose packets vanish: the queue of a listener that never accepts is full, and the
    kernel then ignores further SYNs."""

    def __init__(self):
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.port = self._listener.getsockname()[1]
        self._fill = []
        for _ in range(8):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", self.port))
            self._fill.append(sock)

    def close(self):
        for sock in self._fill:
            sock.close()
        self._listener.close()


class Answering:
    """Answers each connection with `reply`, whatever it says, and closes."""

    def __init__(self, reply: bytes):
        self._reply = reply
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.received = b""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock:
                sock.settimeout(5)
                try:
                    self.received += sock.recv(65536)
                    sock.sendall(self._reply)
                except OSError:
                    pass

    def close(self):
        self._listener.close()


class ScriptedBroker:
    """Speaks just enough MQTT 5 over TLS to say what a real broker says rarely.

    For each connection: reads one packet, answers with the next item of
    `script`, and so on; b"" in the script ends the connection.
    """

    CONNACK = bytes([0x20, 3, 0, 0, 0])

    def __init__(self, pki, server, script):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.maximum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_cert_chain(server.cert, server.key)
        self._context.load_verify_locations(pki.ca)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @staticmethod
    def connack(reason: int) -> bytes:
        return bytes([0x20, 3, 0, reason, 0])

    @staticmethod
    def disconnect(reason: int) -> bytes:
        return bytes([0xE0, 2, reason, 0])

    def _run(self):
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            raw.settimeout(10)
            try:
                with self._context.wrap_socket(raw, server_side=True) as sock:
                    self._play(sock)
            except OSError:
                pass

    def _play(self, sock):
        for answer in self._script:
            if not sock.recv(65536) or not answer:
                return
            sock.sendall(answer)
        sock.recv(65536)

    def close(self):
        self._listener.close()


class ScriptedWebSocket(ScriptedBroker):
    """The same over WebSocket: the script's items are whole frames, sent as they are; a list of frames goes
    out in one TLS record.  `frames`: (kind, payload) of what the client sent, unmasked; `unmasked` is
    True when one was not masked."""

    def __init__(self, pki, server, script):
        self.frames = []
        self.unmasked = False
        self.requests = []
        super().__init__(pki, server, script)

    @staticmethod
    def frame(payload: bytes, kind: int = 2, fin: bool = True) -> bytes:
        size = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2, "big")
        return bytes([(0x80 if fin else 0) | kind]) + size + payload

    def _play(self, sock):
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(4096)
        self.requests.append(head)
        key = head.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        answer = (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  b"Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        first, rest = self._script[0], self._script[1:]
        sock.sendall(answer + first)  # frames may come in the same record as the answer
        self._buffer = b""
        for item in rest:
            while self._take(sock) and self.frames[-1][0] != 2:
                pass  # pongs are no packets
            if not item:
                return
            sock.sendall(item)
        while self._take(sock):
            pass

    def _take(self, sock) -> bool:
        """One frame of the client."""
        def need(n):
            while len(self._buffer) < n:
                more = sock.recv(65536)
                if not more:
                    return False
                self._buffer += more
            return True
        if not need(2):
            return False
        size, at = self._buffer[1] & 0x7f, 2
        if size == 126:
            need(4)
            size, at = int.from_bytes(self._buffer[2:4], "big"), 4
        if not self._buffer[1] & 0x80:
            self.unmasked = True
            return False
        need(at + 4 + size)
        mask, body = self._buffer[at:at + 4], self._buffer[at + 4:at + 4 + size]
        self.frames.append((self._buffer[0] & 15, bytes(c ^ mask[i % 4] for i, c in enumerate(body))))
        self._buffer = self._buffer[at + 4 + size:]
        return True
