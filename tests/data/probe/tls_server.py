"""HTTPS servers for test_prober: one a certificate, all in one process.

    tls_server.py CERT KEY [CERT KEY ...]

CERT may begin with "old:" or "new:": that server speaks TLS 1.1 at most, or 1.3 at least.
Prints one line "port PORT" a certificate and then "ready"; ends with its standard input.
Paths: /ok, /connections (how many connections this server has had), /secrets (how many requests with a header
Authorization, Proxy-Authorization or X-Till, or a body), /resumed (yes or no), /status/NNN, /to/LOCATION.
"""
import socketserver
import ssl
import sys
import threading
import warnings
from http.server import BaseHTTPRequestHandler


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        self.server.connections += 1
        super().setup()

    def do_GET(self):
        status, body, to = 200, b"hello", None
        self.count_secrets()
        if self.path == "/connections":
            body = str(self.server.connections).encode()
        elif self.path == "/secrets":
            body = str(self.server.secrets).encode()
        elif self.path == "/resumed":
            body = b"yes" if self.connection.session_reused else b"no"
        elif self.path.startswith("/status/"):
            status = int(self.path[8:])
        elif self.path.startswith("/to/"):
            status, to = 302, self.path[4:]
        self.send_response(status)
        if to is not None:
            self.send_header("Location", to)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def count_secrets(self):
        length = int(self.headers.get("Content-Length", "0"))
        self.rfile.read(length)
        if length > 0 or any(h in self.headers for h in ("Authorization", "Proxy-Authorization", "X-Till")):
            self.server.secrets += 1

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    connections = 0
    secrets = 0

    def __init__(self, cert, key):
        super().__init__(("127.0.0.1", 0), Handler)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        kind, _, file = cert.rpartition(":")
        if kind == "old":
            warnings.simplefilter("ignore", DeprecationWarning)
            self.context.set_ciphers("ALL:@SECLEVEL=0")
            self.context.minimum_version = ssl.TLSVersion.TLSv1
            self.context.maximum_version = ssl.TLSVersion.TLSv1_1
        elif kind == "new":
            self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.load_cert_chain(file, key)

    def finish_request(self, request, client_address):
        # The handshake belongs to the connection's own thread.
        with self.context.wrap_socket(request, server_side=True) as tls:
            super().finish_request(tls, client_address)

    def handle_error(self, request, client_address):
        pass  # clients that refuse us are part of the test


def main():
    files = sys.argv[1:]
    for cert, key in zip(files[::2], files[1::2]):
        server = Server(cert, key)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print("port", server.server_address[1])
    print("ready", flush=True)
    sys.stdin.read()


main()
