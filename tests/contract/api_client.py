"""A small client of the API: every answer is held against the OpenAPI document."""

import gzip
import http.client
import json
import pathlib
import re
import socket
import ssl

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPENAPI = json.loads((ROOT / "collector" / "src" / "api" / "openapi.json").read_text())
JSON = {"Content-Type": "application/json"}

TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
}


def validate(value, schema, where="$"):
    """As much of JSON Schema as the document uses; raises AssertionError."""
    if "$ref" in schema:
        return validate(value, OPENAPI["components"]["schemas"][schema["$ref"].split("/")[-1]], where)
    if "oneOf" in schema:
        for one in schema["oneOf"]:
            try:
                return validate(value, one, where)
            except AssertionError:
                pass
        raise AssertionError(f"{where}: {value!r} is none of the choices")
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    assert not types or any(TYPES[t](value) for t in types), f"{where}: {value!r} is not {types}"
    if "enum" in schema:
        assert value in schema["enum"], f"{where}: {value!r} not in {schema['enum']}"
    if isinstance(value, str) and "pattern" in schema:
        assert re.search(schema["pattern"], value), f"{where}: {value!r}"
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            validate(item, schema["items"], f"{where}[{i}]")
    if isinstance(value, dict):
        props, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        for key in schema.get("required", []):
            assert key in value, f"{where}: {key} is missing"
        for key, item in value.items():
            if key in props:
                validate(item, props[key], f"{where}.{key}")
            else:
                assert more is not False, f"{where}: {key} is not described"
                if isinstance(more, dict):
                    validate(item, more, f"{where}.{key}")


def operations():
    """(method, path, operation) of everything described."""
    for path, verbs in OPENAPI["paths"].items():
        for verb, op in verbs.items():
            yield verb.upper(), path, op


def described(method, target):
    path = target.split("?")[0]
    for verb, pattern, op in operations():
        shape = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(pattern))
        if verb == method and re.fullmatch(shape, path):
            return op
    return None


class Answer:
    def __init__(self, response, body, headers):
        self.status, self.wire, self.headers = response.status, body, headers
        self.body = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
        body = self.body
        self.type = headers.get("Content-Type", "")
        self.json = json.loads(body) if "json" in self.type and body else None
        self.code = self.json.get("code") if isinstance(self.json, dict) and self.status >= 400 else None

    def check(self, method, target):
        if self.type == "application/problem+json":
            validate(self.json, {"$ref": "#/components/schemas/Problem"})
            assert self.json["status"] == self.status
            return
        op = described(method, target)
        if op is None or method == "HEAD" or self.status == 304:
            return
        assert str(self.status) in op["responses"], f"{method} {target}: {self.status} is not described"
        content = op["responses"][str(self.status)].get("content", {})
        if self.json is not None:
            validate(self.json, content["application/json"]["schema"])
        elif self.body:
            assert self.type.split(";")[0] in content


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(30)
        self.sock.connect(self.path)


class Client:
    """One person (or, through the socket, the local administrator)."""

    def __init__(self, port=None, cert=None, unix=None):
        self.port, self.unix = port, unix
        self.cookies = {}
        if cert:
            self.tls = ssl.create_default_context(cafile=cert)

    def connection(self):
        if self.unix:
            return UnixConnection(self.unix)
        return http.client.HTTPSConnection("localhost", self.port, context=self.tls, timeout=30)

    def raw(self, method, target, body=None, headers=None):
        conn = self.connection()
        headers = dict(headers or {})
        if self.cookies and "Cookie" not in headers:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        try:
            conn.request(method, target, body=body, headers=headers)
            response = conn.getresponse()
            answer = Answer(response, response.read(), response.headers)
        finally:
            conn.close()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, value = cookie.split(";")[0].split("=", 1)
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return answer

    def call(self, method, path, body=None, headers=None):
        """JSON in, JSON out, below /api/v1 unless path begins with '//'."""
        target = path[1:] if path.startswith("//") else "/api/v1" + path
        headers = dict(headers or {})
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            body = json.dumps(body)
        answer = self.raw(method, target, body, headers)
        answer.check(method, target)
        return answer

    def get(self, path, **kw):
        return self.call("GET", path, **kw)

    def ok(self, method, path, body=None, **kw):
        answer = self.call(method, path, body, **kw)
        assert answer.status < 300, (method, path, answer.status, answer.body)
        return answer.json
