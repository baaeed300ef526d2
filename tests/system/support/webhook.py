"""A receiver of webhooks as Standard Webhooks 1.0.0 wants it: checks the signature with Python's own
hmac, and honours webhook-id (what came before under an id changes nothing).
"""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
from dataclasses import dataclass

TOLERANCE_S = 300


@dataclass(frozen=True)
class Call:
    id: str
    timestamp: int
    good: bool        # the signature holds and the time is near
    body: bytes
    answered: int
    at: float


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A sender that was killed in the middle of its request."""


class Receiver:
    """http on loopback.  script: (status, {header: value}) for the next calls; then 204."""

    def __init__(self):
        self.secret = ""
        self.calls, self.script = [], []
        self.effects = {}     # id -> parsed body, of calls that were good and answered 2xx
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                receiver._take(self)

            do_GET = do_POST

            def log_message(self, *args):
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self._lock = threading.Lock()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def _good(self, identity, timestamp, signature, body) -> bool:
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        wanted = b"v1," + base64.b64encode(hmac.new(
            key, f"{identity}.{timestamp}.".encode() + body, hashlib.sha256).digest())
        return (any(hmac.compare_digest(wanted, s.encode()) for s in signature.split())
                and abs(time.time() - int(timestamp)) < TOLERANCE_S)

    def _take(self, request):
        length = int(request.headers.get("Content-Length") or 0)
        body = request.rfile.read(length)
        if len(body) < length:
            return  # its sender died over it: nothing was received
        identity = request.headers.get("webhook-id", "")
        timestamp = request.headers.get("webhook-timestamp", "0")
        with self._lock:
            status, headers = self.script.pop(0) if self.script else (204, {})
            good = request.command == "POST" and self._good(
                identity, timestamp, request.headers.get("webhook-signature", ""), body)
            if good and 200 <= status < 300:
                self.effects.setdefault(identity, json.loads(body))
            self.calls.append(Call(identity, int(timestamp), good, body, status, time.time()))
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", "0")
        request.end_headers()
