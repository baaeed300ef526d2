"""Servers that are not what they should be.  All on loopback, all with `port` and `close()`."""

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
