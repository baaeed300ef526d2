"""A client of MQTT 5 over mutual TLS that publishes anything at all, quickly: QoS 1, as many at a time
as the broker allows. Written for bad messages, which a well-behaved library would not send.
"""

import socket
import ssl
import struct


def _varint(n: int) -> bytes:
    out = bytearray()
    while True:
        n, low = n >> 7, n & 0x7F
        out.append(low | (0x80 if n else 0))
        if not n:
            return bytes(out)


def _text(s: str) -> bytes:
    raw = s.encode()
    return struct.pack(">H", len(raw)) + raw


class Client:
    """Connected when made. Context manager; the connection is closed without a DISCONNECT."""

    WINDOW = 20  # what Mosquitto takes at a time by default

    def __init__(self, port: int, client_id: str, ca, certificate, key):
        context = ssl.create_default_context(cafile=ca)
        context.check_hostname = False
        context.load_cert_chain(certificate, key)
        raw = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._sock = context.wrap_socket(raw)
        self._buffer = b""
        self._next_id, self._open = 1, set()
        self.refused = 0  # publishes that the broker answered with a reason of failure
        head = _text("MQTT") + bytes([5, 2]) + struct.pack(">H", 60) + b"\0" + _text(client_id)
        self._sock.sendall(b"\x10" + _varint(len(head)) + head)
        kind, body = self._packet()
        assert kind >> 4 == 2 and body[1] == 0, f"the broker did not let {client_id} in: {body!r}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._sock.close()

    def _read(self, n: int) -> bytes:
        while len(self._buffer) < n:
            piece = self._sock.recv(65536)
            assert piece, "the broker ended the connection"
            self._buffer += piece
        out, self._buffer = self._buffer[:n], self._buffer[n:]
        return out

    def _packet(self):
        kind, length, shift = self._read(1)[0], 0, 0
        while True:
            byte = self._read(1)[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return kind, self._read(length)

    def _settle_one(self):
        kind, body = self._packet()
        assert kind >> 4 != 14, f"the broker disconnects: {body.hex()}"
        if kind >> 4 == 4:
            self._open.discard(struct.unpack(">H", body[:2])[0])
            self.refused += len(body) > 2 and body[2] >= 0x80

    def publish(self, topic: str, payload: bytes, retain=False):
        """Returns when there is room for it; `settle` waits until the broker has all."""
        while len(self._open) >= self.WINDOW:
            self._settle_one()
        self._next_id = self._next_id % 65535 + 1
        body = _text(topic) + struct.pack(">H", self._next_id) + b"\0" + payload
        self._open.add(self._next_id)
        self._sock.sendall(bytes([0x32 | retain]) + _varint(len(body)) + body)

    def settle(self):
        while self._open:
            self._settle_one()
