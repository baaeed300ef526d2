"""HTTP servers for test_probe_http, written by others: Python's http.server, with 1.0 and with 1.1.

    http_server.py

Prints "port PORT" for HTTP/1.1, then for HTTP/1.0 (which closes after each answer), then "ready"; ends with its
standard input.  Paths: see Handler.answer.
"""
import base64
import gzip
import json
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STATUS = {"status": "ok", "n": 5, "part": 0.5, "on": True, "none": None, "checks": [{"state": "up"}, {"state": "down"}]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def echo(self):
        length = int(self.headers.get("Content-Length", 0))
        return {"method": self.command, "body": self.rfile.read(length).decode(), "path": self.path,
                "authorization": self.headers.get("Authorization", ""), "x-test": self.headers.get("X-Test", ""),
                "accept-encoding": self.headers.get("Accept-Encoding", ""),
                "version": self.request_version, "connection": self.client_address[1]}

    def send(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def chunks(self, body, size, **headers):
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(body), size):
            piece = body[at:at + size]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def encoded(self, name):
        text = json.dumps(STATUS).encode() + b" " * 3000
        if name == "gzip-chunked":
            return self.chunks(gzip.compress(text), 7, Content_Encoding="gzip")
        if name == "two-members":
            return self.send(gzip.compress(text[:40]) + gzip.compress(text[40:]), Content_Encoding="gzip")
        body = {"gzip": gzip.compress(text), "deflate": zlib.compress(text),
                "deflate-raw": zlib.compress(text, wbits=-15), "br": b"\x0b\x02\x80xyz\x03",
                "damaged": gzip.compress(text)[:10] + b"\xff" * 20, "short": gzip.compress(text)[:-20],
                "bomb": gzip.compress(b"x" * 20_000_000 + b"needle")}[name]
        kind = name.removesuffix("-raw") if name.startswith("deflate") or name == "br" else "gzip"
        return self.send(body, Content_Encoding=kind)

    def redirect(self, rest):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, _, to = rest.partition("/")
        self.send(b"go on", status=int(status), Location=to)

    def basic(self):
        want = "Basic " + base64.b64encode(b"till:s3cret").decode()
        if self.headers.get("Authorization") != want:
            return self.send(b"who?", status=401, WWW_Authenticate='Basic realm="x"')
        return self.send(b"welcome")

    def answer(self):
        path = self.path
        if path.startswith("/to/"):
            self.redirect(path[4:])
        elif path.startswith("/slow/"):
            time.sleep(0.2)  # a server that takes its time
            self.redirect(path[6:])
        elif path.startswith("/down/") and path[6:].isdigit():  # so many redirects to the echo
            n = int(path[6:])
            self.send(b"", status=302, Location=f"/down/{n - 1}" if n > 1 else "echo?down")
        elif path == "/nowhere":
            self.send(b"", status=302)
        elif path.startswith("/encoded/"):
            self.encoded(path[9:])
        elif path == "/status":
            self.send(json.dumps(STATUS).encode())
        elif path == "/long":
            self.send(b"x" * 70_000)
        elif path == "/chunked":
            self.chunks(b"first line\nstate: GREEN 17\nlast line", 3)
        elif path == "/basic":
            self.basic()
        elif path == "/not-json":
            self.send(b'{"status": "ok"')
        else:
            self.send(json.dumps(self.echo()).encode())

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def log_message(self, *_):
        pass


class Old(Handler):
    protocol_version = "HTTP/1.0"


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # clients that go away are part of the test


def main():
    for handler in (Handler, Old):
        server = Server(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print("port", server.server_address[1])
    print("ready", flush=True)
    sys.stdin.read()


main()
