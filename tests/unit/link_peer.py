"""What stands at the other end of a link that goes through a proxy and over WebSocket, in one program.

Takes CONNECT, then plays the broker behind it: TLS with FOLDER's certificates, WebSocket, and each line sent back
reversed (as `openssl s_server -rev` does), in two fragments with a ping between them.  A pong that is missing or
not the ping's ends the connection.
"""

import base64
import hashlib
import socket
import ssl
import sys
import threading

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def head(sock) -> bytes:
    text = b""
    while not text.endswith(b"\r\n\r\n"):
        more = sock.recv(1)
        if not more:
            raise OSError("ended in its head")
        text += more
    return text


def exactly(sock, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise OSError("ended")
        data += more
    return data


def read_frame(sock):
    first, size = exactly(sock, 2)
    assert size & 0x80, "not masked"
    size &= 0x7f
    if size == 126:
        size = int.from_bytes(exactly(sock, 2), "big")
    mask, body = exactly(sock, 4), exactly(sock, size)
    return first & 15, bytes(c ^ mask[i % 4] for i, c in enumerate(body))


def frame(kind: int, body: bytes, fin=True) -> bytes:
    size = bytes([len(body)]) if len(body) < 126 else b"\x7e" + len(body).to_bytes(2, "big")
    return bytes([(0x80 if fin else 0) | kind]) + size + body


def serve(raw, context, authorization):
    raw.settimeout(20)
    with raw:
        asked = head(raw)
        assert asked.startswith(b"CONNECT broker:443 HTTP/1.1\r\n") and authorization in asked, asked
        raw.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with context.wrap_socket(raw, server_side=True) as sock:
            key = head(sock).split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
            accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
            sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         b"Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
            text, pings, pongs = b"", 0, 0
            while True:
                kind, body = read_frame(sock)
                if kind == 8:
                    return
                if kind == 10:
                    assert body == b"%d" % pongs, "a pong that was not asked for"
                    pongs += 1
                    continue
                text += body
                while b"\n" in text:
                    line, _, text = text.partition(b"\n")
                    back = line[::-1] + b"\n"
                    assert pongs == pings, "a ping was not answered before the next line"
                    sock.sendall(frame(2, back[:100], fin=False) + frame(9, b"%d" % pings)
                                 + frame(0, back[100:]))
                    pings += 1


def guarded(*arguments):
    try:
        serve(*arguments)
    except (OSError, IndexError):
        pass  # links that end are what this is for


def main(folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(f"{folder}/srv.crt", f"{folder}/srv.key")
    context.load_verify_locations(f"{folder}/ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    authorization = b"\r\nProxy-Authorization: Basic " + base64.b64encode(b"dev:secret") + b"\r\n"
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(f"ACCEPT 127.0.0.1:{listener.getsockname()[1]}", flush=True)
    while True:
        raw, _ = listener.accept()
        threading.Thread(target=guarded, args=(raw, context, authorization), daemon=True).start()


main(sys.argv[1])
