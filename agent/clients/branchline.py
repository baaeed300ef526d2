"""Reports to the Branchline agent of this machine, from Python (3.7 and newer); one file, nothing to install.

    from branchline import Client, Failed, Refused

    with Client() as agent:
        agent.step_begin("4711", "review", {"owner": "Li Hua", "amount": 129.5}, process="order")
        agent.case("4711", status="completed", process="order")
        agent.event("door.opened", {"door": "north 2"})
        agent.metric("queue_length", 12, {"lane": "3"}, unit="orders")

Every call says one report and returns when the agent has it on disk: "accepted", or "repeated" when its id was taken
before. Else it raises Refused (the report is wrong, and always will be) or Failed (not stored, or no answer). Every
report has an id, made here unless you give one: a report whose answer was lost is said again and is there once.
Whoever gets Failed may say the same later with id=failure.id.

Attributes are texts, numbers and booleans; of a metric they are its labels, and texts. `at` is a datetime with a
zone, seconds since 1970, or text as the agent reads it. A client may be used by several threads and survives a fork.
"""

import datetime
import math
import os
import socket
import threading
import time
import uuid

__all__ = ["Client", "Error", "Failed", "Refused"]

_PLACES = ("/run/branchline-agent/steps.sock", "/var/lib/branchline-agent/steps.sock")
_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_OWN = {"step": ("id", "at", "process", "case", "step"), "case": ("id", "at", "process", "case", "step"),
        "event": ("id", "at"), "metric": ("id", "at", "unit", "kind")}
_PATH_MAX = 107
_PAUSE_S = 0.02


class Error(Exception):
    """A report that was not taken; `id` is its id."""

    def __init__(self, message, id):
        super().__init__(message)
        self.id = id


class Refused(Error):
    """The report is wrong."""


class Failed(Error):
    """The agent has not stored it, or did not answer: it may be said again with the same id."""


class _Nothing(Exception):
    """An attempt of which the agent has nothing."""


class _Unknown(Exception):
    """An attempt of which the agent may have all."""


class Client:
    """One connection to the agent, made when it is needed."""

    def __init__(self, socket_path=None, timeout=12.0, wait=0.0):
        """`timeout`: seconds for one report, all attempts together (the agent answers within 8).
        `wait`: how much of it to wait for an agent that is not there; 0: not at all."""
        path = socket_path or os.environ.get("BRANCHLINE_SOCKET")
        self.path = os.fspath(path) if path else _PLACES[0 if os.path.exists(_PLACES[0]) else 1]
        self.timeout, self.wait = timeout, wait
        self._sock, self._lock, self._pid = None, threading.Lock(), os.getpid()

    def step_begin(self, case, step, attributes=None, *, process=None, id=None, at=None):
        """Step `step` of a case begins."""
        return self._report("step begin", (case, step), attributes, {"process": process, "at": at}, id)

    def step_end(self, case, step, attributes=None, *, process=None, id=None, at=None):
        """Step `step` of a case ends."""
        return self._report("step end", (case, step), attributes, {"process": process, "at": at}, id)

    def step_event(self, case, step=None, attributes=None, *, process=None, id=None, at=None):
        """Something happened in a case, in its step `step` if one is given."""
        words = (case,) if step is None else (case, step)
        return self._report("step event", words, attributes, {"process": process, "at": at}, id)

    def case(self, case, attributes=None, *, status=None, process=None, id=None, at=None):
        """What became of a case."""
        return self._report("case", (case,), attributes, {"status": status, "process": process, "at": at}, id)

    def event(self, type, attributes=None, *, id=None, at=None):
        """Something of this type happened, of no case."""
        return self._report("event", (type,), attributes, {"at": at}, id)

    def metric(self, name, value, labels=None, *, unit=None, kind=None, id=None, at=None):
        """A value; kind "gauge" (usual) or "counter", which only grows."""
        return self._report("metric", (name,), labels, {"unit": unit, "kind": kind, "at": at}, id, value)

    def close(self):
        with self._lock:
            self._drop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- the line ----

    def _report(self, verb, words, attributes, said, id, value=None):
        id = uuid.uuid4().hex if id is None else id
        try:
            line = " ".join([verb, *map(_quoted, words)])
            if verb == "metric":
                line += " " + _number(value)
            line += f" id={_quoted(id)}"
            for name, text in said.items():
                if text is not None:
                    line += f" {name}={_quoted(_time(text) if name == 'at' else text)}"
            for name, what in (attributes or {}).items():
                line += f" {_name(name, _OWN[verb.split()[0]])}={_value(what)}"
            line = line.encode() + b"\n"
        except (TypeError, ValueError) as wrong:  # UnicodeError, too: half a surrogate pair
            raise Refused(f"{verb}: {wrong}", id) from None
        if self._pid != os.getpid():  # a fork: the connection, and who holds the lock, are the other's
            self._drop()
            self._lock, self._pid = threading.Lock(), os.getpid()
        with self._lock:
            try:
                return self._tell(verb, line, id)
            except Error:
                raise
            except BaseException:  # a signal, perhaps: the answer would be taken for the next one's
                self._drop()
                raise

    # ---- the agent ----

    def _tell(self, verb, line, id):
        """Says it until there is an answer: as long as the limits allow."""
        start = time.monotonic()
        deadline, unknown = start + self.timeout, False
        # A connection from earlier may have died long ago: that says nothing of the agent.
        kept = self._sock is not None
        while True:
            try:
                answer = self._attempt(line, deadline)
                if answer in ("ok", "ok repeated"):
                    return "accepted" if answer == "ok" else "repeated"
                raise Refused(f"{verb}: {answer[7:]}", id)
            except (_Nothing, _Unknown) as failure:
                self._drop()
                unknown |= isinstance(failure, _Unknown)
                now, why = time.monotonic(), failure
            if now >= deadline or (not kept and not unknown and now >= start + self.wait):
                raise Failed(f"{verb}: {why}; " + (
                    "whether it has the report is not known: say it again with the same id" if unknown
                    else "nothing was stored"), id)
            if not kept:
                time.sleep(_PAUSE_S)
            kept = False

    def _attempt(self, line, deadline):
        if self._sock is None:
            self._connect(deadline)
        said = False
        try:
            try:
                self._limit(deadline)
                self._sock.sendall(line)
                said = True
            except (BrokenPipeError, ConnectionResetError):
                pass  # it may have said why before it closed
            answer = self._hear(deadline)
        except socket.timeout:
            raise (_Unknown if said else _Nothing)(f"no answer in time from the agent at {self.path}") from None
        except OSError as failure:
            raise (_Unknown if said else _Nothing)(f"the agent at {self.path}: {failure}") from None
        if answer is None:
            raise (_Unknown if said else _Nothing)(f"the agent at {self.path} went away")
        if answer.startswith(("error: not stored", "error: too many connections")):
            raise _Nothing(answer[7:])
        if answer.startswith("error: not on disk") or not answer.startswith(("ok", "error: ")):
            raise _Unknown(answer)
        return answer

    def _connect(self, deadline):
        if len(os.fsencode(self.path)) > _PATH_MAX:
            raise _Nothing(f"the name of the socket is longer than {_PATH_MAX} bytes: {self.path}")
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._limit(deadline)
            self._sock.connect(self.path)
        except socket.timeout:
            raise _Nothing(f"the agent at {self.path} is too busy") from None
        except PermissionError:
            raise _Nothing(f"not allowed to report at {self.path}: inlets.steps of the agent's configuration says "
                           "who is") from None
        except OSError as failure:
            raise _Nothing(f"no agent takes reports at {self.path} ({failure.strerror}): is it running?") from None

    def _limit(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout()
        self._sock.settimeout(left)

    def _hear(self, deadline):
        """One line of answer; None: it went away."""
        answer = b""
        while not answer.endswith(b"\n"):
            self._limit(deadline)
            more = self._sock.recv(1024)
            if not more:
                return None
            answer += more
        return answer[:-1].decode(errors="replace")

    def _drop(self):
        if self._sock is not None:
            self._sock.close()
        self._sock = None


def _quoted(text):
    if not isinstance(text, str):
        raise TypeError(f"expected text, got {text!r}")
    return '"' + text.translate(_ESCAPES) + '"'


def _number(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {value!r}")
    return repr(value)


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return _number(value) if isinstance(value, (int, float)) else _quoted(value)


def _name(name, own):
    """A name that the agent understands, and that means nothing else to it."""
    if not isinstance(name, str) or not name or any(c <= " " or c in '="\x7f' for c in name):
        raise ValueError(f"a name is a text without space, = and quotes, not {name!r}")
    if name in own:
        raise ValueError(f"this name has a meaning of its own: {name}")
    return name


def _time(at):
    if isinstance(at, datetime.datetime):
        if at.tzinfo is None:
            raise ValueError(f"the time {at} has no zone")
        return at.isoformat()
    return f"{at:.3f}" if isinstance(at, (int, float)) else at
