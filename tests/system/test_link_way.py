"""The link through an HTTP proxy and over WebSocket, against a real Mosquitto.

Also everything that may stand in the way: proxies that refuse, login pages, boxes that open TLS.  What
cannot be passed is named, and nothing of ours is told to whoever it is.
"""

import os
import socket
import ssl
import threading

import pytest

from support.connect_proxy import ConnectProxy
from support.link import QUICK_MS, shake, shake_once
from support.peers import ScriptedWebSocket, Silent
from support.proxy import Proxy
from support.wait import free_port, wait_for

BROKER = "broker.branch.internal"  # no name server knows it


@pytest.fixture
def proxies():
    made = []

    def make(**options):
        proxy = ConnectProxy(**options)
        made.append(proxy)
        return proxy

    yield make
    for proxy in made:
        proxy.close()


@pytest.fixture
def wss(brokers):
    return brokers(websocket=True)


def password_file(folder, text="geheim-2026\n"):
    path = folder / "proxy-password"
    path.write_text(text)
    path.chmod(0o600)
    return path


# ---- WebSocket ----

def test_websocket_comes_up_with_the_identity_of_the_certificate(pki, wss, probes):
    device = probes(pki, pki.device("link-a"), wss.websocket_port, "websocket=/mqtt",
                    "subscribe=bl/1/down/link-a/#")
    assert 1 <= device.event("up")["rtt_ms"] < QUICK_MS
    assert "u'link-a'" in wss.log()
    centre = probes(pki, pki.device("collector-live"), wss.port, "subscribe=bl/1/up/+/+/live")
    centre.event("up")
    # From below one record of TLS to the largest batch, and back.
    for token, size in enumerate((1, 125, 126, 16000, 16384, 65536, 262144), 1):
        device.send(f"publish bl/1/up/07/link-a/live {size} {token}")
        assert device.event("published") == {"event": "published", "token": token, "reason": 0}
        assert centre.event("message")["len"] == size
        # Mosquitto's own WebSocket gives 4 KiB at a time and ten times a second, so keep that short.
        centre.send(f"publish bl/1/down/link-a/receipt {min(size, 9000)} {token}")
        assert device.event("message")["len"] == min(size, 9000)
    device.send("publish bl/1/up/07/somebody-else/live 10 21")
    assert device.event("published")["reason"] == 135
    device.quit()
    centre.quit()


def test_websocket_resumes_sessions_and_reports_its_times(pki, wss):
    reports, _ = shake(pki, pki.device("link-a"), wss.websocket_port, "websocket=/mqtt",
                       "resume=1", "repeat=3")
    assert [r["event"] for r in reports] == ["ready"] * 3
    assert [r["resumed"] for r in reports] == [False, True, True]
    assert all(r["upgrade_ms"] > 0 and r["local"] == "127.0.0.1" for r in reports)


@pytest.mark.parametrize("kind,words", [
    ("expired", "our certificate has expired"), ("foreign", "our certificate is from an unknown CA")])
def test_websocket_takes_no_other_certificates(pki, other_pki, wss, kind, words):
    cert = pki.device_expired() if kind == "expired" else other_pki.device("link-foreign")
    report, _ = shake_once(pki, cert, wss.websocket_port, "websocket=/mqtt")
    assert report["fault"] == "own_cert" and words in report["text"]


def test_a_port_without_websocket_is_named(pki, wss):
    report, _ = shake_once(pki, pki.device("link-a"), wss.port, "websocket=/mqtt", "phase_ms=2000")
    assert report["fault"] == "websocket"
    assert "closed the connection when it was asked for WebSocket: is that its WebSocket port?" \
        in report["text"]


class TlsAnswering:
    """TLS as the broker's, and then `reply` to whatever is asked; the request is kept."""

    def __init__(self, pki, server, reply):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.maximum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_cert_chain(server.cert, server.key)
        self._reply = reply
        self.received = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            raw.settimeout(5)
            try:
                with self._context.wrap_socket(raw, server_side=True) as sock:
                    self.received.append(sock.recv(65536))
                    sock.sendall(self._reply)
                    sock.recv(1)
            except OSError:
                pass

    def close(self):
        self._listener.close()


@pytest.mark.parametrize("reply,words", [
    (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
     'does not take WebSocket at /mqtt: it sent "404 Not Found"'),
    (b"HTTP/1.1 301 Moved\r\nLocation: https://www.example/\r\n\r\n", "leads to www.example"),
    (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
     b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
     "it is not the answer to our request"),
    (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "it does not say that it upgrades"),
    (b"SSH-2.0-x\r\n", "does not answer the WebSocket request with HTTP"),
    (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000, "does not answer the WebSocket request with HTTP"),
])
def test_what_is_no_websocket_is_named(pki, reply, words):
    server = TlsAnswering(pki, pki.server(), reply)
    report, ms = shake_once(pki, pki.device("link-a"), server.port, "websocket=/mqtt")
    server.close()
    assert report["fault"] == "websocket" and words in report["text"]
    assert ms < QUICK_MS


def test_pings_fragments_and_closing_are_as_the_rules_say(pki, probes):
    frame, connack = ScriptedWebSocket.frame, ScriptedWebSocket.CONNACK
    server = ScriptedWebSocket(pki, pki.server(), [
        frame(b"early", 9),  # a ping right behind the answer
        frame(connack[:2], fin=False) + frame(b"in between", 9) + frame(connack[2:], 0),
        frame(b"\xe0\x02\x8b\x00") + frame(b"\x03\xe9going away", 8)])
    device = probes(pki, pki.device("link-a"), server.port, "websocket=/a/b?c=d", "backoff_ms=60000,60000")
    device.event("up")
    wait_for(lambda: (10, b"in between") in server.frames, 5, "the second ping is answered")
    device.send("publish bl/1/up/07/link-a/live 10 1")
    # The broker's own last word came in the same record as the end of WebSocket.
    assert device.event("down")["why"] == "the broker ended the session: server shutting down (MQTT reason 139)"
    wait_for(lambda: server.frames[-1][0] == 8, 5, "the closing is answered")
    device.quit()
    server.close()
    assert server.requests[0].startswith(b"GET /a/b?c=d HTTP/1.1\r\n")
    assert f"Host: localhost:{server.port}\r\n".encode() in server.requests[0]
    assert (10, b"early") in server.frames and not server.unmasked
    assert [body[:1] for kind, body in server.frames if kind == 2][0] == b"\x10"
    assert server.frames[-1] == (8, b"\x03\xe9")


@pytest.mark.parametrize("bad,words", [
    (b"\x82\x84mask" + b"\x20\x03\x00\x00", "a masked frame from the server"),
    (b"\x81\x02hi", "a text frame; MQTT is binary"),
    (b"\xc2\x02hi", "a frame with bits of an extension"),
    (b"\x88\x02\x03\xf0", None),
])
def test_a_server_that_breaks_the_rules_is_named(pki, probes, bad, words):
    frame = ScriptedWebSocket.frame
    server = ScriptedWebSocket(pki, pki.server(), [b"", frame(ScriptedWebSocket.CONNACK), bad])
    device = probes(pki, pki.device("link-a"), server.port, "websocket=/mqtt", "backoff_ms=60000,60000")
    device.event("up")
    device.send("publish bl/1/up/07/link-a/live 10 1")
    down = device.event("down")
    if words is None:
        assert down["fault"] == "peer_closed" and "ended the session (WebSocket 1008)" in down["why"]
    else:
        assert down["fault"] == "websocket" and f"broke the rules of WebSocket: it sent {words}" in down["why"]
    device.quit()
    server.close()


# ---- through a proxy ----

@pytest.mark.parametrize("websocket", [False, True])
def test_a_proxy_is_passed_with_its_password_and_told_no_more(pki, wss, probes, proxies, tmp_path,
                                                              websocket):
    port = wss.websocket_port if websocket else wss.port
    proxy = proxies(names={BROKER: ("127.0.0.1", None)}, user="till:geheim-2026", pieces=7)
    device = probes(pki, pki.device("link-a"), port, proxy.option, "name=localhost",
                    "proxy_user=till", f"proxy_password_file={password_file(tmp_path)}",
                    *(["websocket=/mqtt"] if websocket else []), host=BROKER)
    # The way to the proxy is not the way to the broker.
    assert device.event("up")["rtt_ms"] == 0
    device.send("publish bl/1/up/07/link-a/live 100000 1")
    assert device.event("published")["reason"] == 0
    device.quit()
    assert len(proxy.heads) == 1
    assert proxy.heads[0].startswith(f"CONNECT {BROKER}:{port} HTTP/1.1\r\n".encode())
    assert b"link-a" not in proxy.heads[0]
    # A TLS handshake record follows, and nothing before it.
    assert [data[:2] for data in proxy.first] == [b"\x16\x03"]


def test_the_password_is_read_anew_and_never_said(pki, broker, proxies, tmp_path):
    proxy = proxies(names={BROKER: ("127.0.0.1", None)}, user="till:geheim-2027")
    file = password_file(tmp_path)
    way = [proxy.option, "name=localhost", "proxy_user=till", f"proxy_password_file={file}"]
    report, _ = shake_once(pki, pki.device("link-a"), broker.port, *way, host=BROKER)
    assert report["fault"] == "proxy"
    assert f"the proxy 127.0.0.1:{proxy.port} does not take the user name or the password of" \
        " broker.proxy (407)" in report["text"]
    assert "geheim" not in str(report)
    file.write_text("geheim-2027")
    report, _ = shake_once(pki, pki.device("link-a"), broker.port, *way, host=BROKER)
    assert report["event"] == "ready"
    file.unlink()
    report, _ = shake_once(pki, pki.device("link-a"), broker.port, *way, host=BROKER)
    assert report["fault"] == "proxy" and f"{file}: No such file" in report["text"]


@pytest.mark.parametrize("answer,fault,words", [
    (b"HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic realm=x\r\n\r\n", "proxy",
     "wants a user name and a password (407, it offers Basic)"),
    (b"HTTP/1.0 401 Unauthorized\r\n\r\n", "proxy",
     "wants a user name and a password (401, it offers nothing)"),
    (b"HTTP/1.1 403 Forbidden\r\n\r\n", "proxy",
     f'forbids connections to {BROKER}:8883 ("403 Forbidden")'),
    (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "proxy", f"could not reach {BROKER}:8883"),
    (b"HTTP/1.1 504 Gateway Timeout\r\n\r\n", "proxy", f"could not reach {BROKER}:8883"),
    (b"HTTP/1.1 405 Not Allowed\r\n\r\n", "proxy", "does not know CONNECT"),
    (b"HTTP/1.1 302 Found\r\nLocation: http://login.hotel/?user=1\r\n\r\n", "portal",
     'answers like a captive portal or login page: it sent "302 Found" and leads to "login.hotel"'),
    (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>log in", "portal",
     'it is a web server or captive portal: it sent "<html>log in"'),
    (b"HTTP/1.1 511 Network Authentication Required\r\n\r\n", "portal", "captive portal"),
    (b"SSH-2.0-OpenSSH\r\n", "proxy",
     'does not speak HTTP, so it is no proxy: it sent "SSH-2.0-OpenSSH??"'),
    (b"", "proxy", "closed the connection instead of answering CONNECT"),
    (b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"y" * 5000, "proxy", "has no end"),
    (b"HTTP/1.1 200 OK\r\n\r\n", "peer_closed", "through the proxy"),
])
def test_what_a_proxy_answers_is_named(pki, proxies, answer, fault, words):
    proxy = proxies(answer=answer)
    report, ms = shake_once(pki, pki.device("link-a"), 8883, proxy.option, host=BROKER)
    assert report["fault"] == fault, report["text"]
    assert words in report["text"]
    assert ms < QUICK_MS
    # At most a ClientHello was said behind CONNECT, and only to one who said 2xx.
    assert b"link-a" not in b"".join(proxy.first)


def test_a_slow_proxy_has_its_own_deadline(pki, broker, proxies):
    hold = threading.Event()
    proxy = proxies(names={BROKER: ("127.0.0.1", None)}, hold=hold)
    report, ms = shake_once(pki, pki.device("link-a"), broker.port, proxy.option, "proxy_ms=300",
                            host=BROKER)
    assert report["fault"] == "timeout"
    assert f"CONNECT with the proxy 127.0.0.1:{proxy.port} took longer than 300 ms" \
        in report["text"]
    assert 300 <= ms < QUICK_MS
    threading.Timer(0.7, hold.set).start()
    report, _ = shake_once(pki, pki.device("link-a"), broker.port, proxy.option, "phase_ms=500",
                           "proxy_ms=10000", "name=localhost", host=BROKER)
    assert report["event"] == "ready" and report["proxy_ms"] >= 100


def test_a_proxy_that_is_down_or_silent_is_named(pki):
    port = free_port()
    report, _ = shake_once(pki, pki.device("link-a"), 8883, f"proxy=127.0.0.1:{port}", host=BROKER)
    assert report["fault"] == "refused"
    assert f"TCP connect to the proxy 127.0.0.1:{port}: Connection refused" in report["text"]
    silent = Silent()
    report, _ = shake_once(pki, pki.device("link-a"), 8883, f"proxy=127.0.0.1:{silent.port}",
                           "proxy_ms=200", host=BROKER)
    silent.close()
    assert report["fault"] == "timeout"
    report, _ = shake_once(pki, pki.device("link-a"), 8883, "proxy=no-such-proxy.invalid:3128",
                           "phase_ms=5000", host=BROKER)
    assert report["fault"] in ("dns", "timeout")
    assert 'name look-up of "no-such-proxy.invalid"' in report["text"]


def test_one_who_opens_tls_is_named_and_learns_nothing(pki, other_pki, proxies):
    box = TlsAnswering(other_pki, other_pki.server("inspector", san=f"DNS:{BROKER}"), b"")
    proxy = proxies(names={BROKER: ("127.0.0.1", box.port)})
    report, _ = shake_once(pki, pki.device("link-a"), 8883, proxy.option, host=BROKER)
    assert report["fault"] == "server_cert"
    assert "captive portal or TLS inspection in between" in report["text"]
    wait_for(lambda: proxy.first, 5, "the ClientHello passed the proxy")
    assert box.received == []
    assert b"link-a" not in b"".join(proxy.first)
    box.close()


# ---- through both, while it stalls and is cut ----

def test_nothing_is_lost_or_doubled_through_a_proxy_that_stalls_and_cuts(pki, wss, probes, proxies):
    proxy = proxies(names={BROKER: ("127.0.0.1", None)})
    device = probes(pki, pki.device("link-a"), wss.websocket_port, proxy.option, "name=localhost",
                    "websocket=/mqtt", "resume=1", "puback_ms=500", "phase_ms=1000", host=BROKER)
    device.event("up")
    rounds = 40 if os.environ.get("BL_LONG") else 4
    device.send(f"flood bl/1/up/07/link-a/live {rounds * 750} 500")
    for round_ in range(rounds):
        if round_ % 2 == 0:
            proxy.cut()
        else:
            proxy.stall()
        device.event("down")
        proxy.flow()
        device.event("up")
    done = device.event("flooded", 60)
    assert done["acked"] == rounds * 750 and done["doubled"] == 0
    assert device.stats()["connects"] > rounds
    device.quit()


def test_slow_behind_a_proxy_is_not_taken_for_dead(pki, broker, probes, proxies):
    """The proxy's kernel takes all at once, so the device sees nothing move while 96 KiB go on slowly."""
    slow = Proxy(broker.port, rate_bytes_s=32 * 1024)
    proxy = proxies(names={BROKER: ("127.0.0.1", slow.port)})
    device = probes(pki, pki.device("link-a"), broker.port, proxy.option, "name=localhost",
                    "puback_ms=750", "phase_ms=5000", host=BROKER)
    device.event("up", 20)
    device.send("publish bl/1/up/07/link-a/live 98304 1")
    assert device.event("published", 20)["token"] == 1
    assert device.stats()["connects"] == 1
    # One that is dead is found nevertheless, the sooner the less was sent.
    slow.stall()
    device.send("publish bl/1/up/07/link-a/live 100 2")
    assert "acknowledged none of 1 messages for 7" in device.event("down", 5)["why"]
    device.quit()
    slow.close()


def test_the_largest_batch_survives_a_broker_that_is_killed_in_it(pki, wss, probes):
    device = probes(pki, pki.device("link-a"), wss.websocket_port, "websocket=/mqtt",
                    "phase_ms=1000")
    device.event("up")
    wss.kill()
    assert device.event("down")["fault"] in ("lost", "peer_closed")
    wss.start()
    device.event("up")
    device.send("publish bl/1/up/07/link-a/live 262144 9")
    assert device.event("published")["token"] == 9
    device.quit()


def test_no_bytes_of_ours_are_in_the_clear(pki, wss, probes, proxies, tmp_path):
    """The relay between device and proxy sees one CONNECT, and TLS records only."""
    proxy = proxies(names={BROKER: ("127.0.0.1", None)})
    seen = []
    relay = socket.create_server(("127.0.0.1", 0))

    def run():
        near, _ = relay.accept()
        far = socket.create_connection(("127.0.0.1", proxy.port))

        def copy(source, sink, note):
            try:
                while data := source.recv(65536):
                    if note:
                        seen.append(data)
                    sink.sendall(data)
            except OSError:
                pass
            sink.close()

        threading.Thread(target=copy, args=(far, near, False), daemon=True).start()
        copy(near, far, True)

    threading.Thread(target=run, daemon=True).start()
    device = probes(pki, pki.device("link-a"), wss.websocket_port, "websocket=/mqtt",
                    f"proxy=127.0.0.1:{relay.getsockname()[1]}", "name=localhost", host=BROKER)
    device.event("up")
    device.send("publish bl/1/up/07/link-a/live 5000 1")
    device.event("published")
    device.quit()
    relay.close()
    stream = b"".join(seen)
    head, _, rest = stream.partition(b"\r\n\r\n")
    assert head.startswith(b"CONNECT ") and b"link-a" not in head
    while rest:
        assert rest[0] in (20, 21, 22, 23) and rest[1:3] in (b"\x03\x01", b"\x03\x03"), rest[:8]
        rest = rest[5 + int.from_bytes(rest[3:5], "big"):]
    assert b"bl/1/up" not in stream and b"MQTT" not in stream and b"GET /mqtt" not in stream
