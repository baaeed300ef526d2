"""The impairment relay: each impairment does what it says, to bytes and to ends of connections."""

import os
import random
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from support.builds import SOURCE
from support.proxy import PIECE_BYTES, Proxy
from support.wait import wait_for


class Echo:
    """Gives every byte back; keeps an end of input from ending the other direction until told."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.taken = []  # one bytearray a connection
        self.ends = []  # how each ended: "end" or "reset"
        self.answers = True
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.taken.append(bytearray())
            threading.Thread(target=self._serve, args=(sock, self.taken[-1]), daemon=True).start()

    def _serve(self, sock, taken):
        try:
            while data := sock.recv(65536):
                taken += data
                if self.answers:
                    sock.sendall(data)
            self.ends.append("end")
            sock.sendall(b"bye")
            sock.close()
        except OSError:
            self.ends.append("reset")


@pytest.fixture
def echo():
    made = Echo()
    yield made
    made.listener.close()


@pytest.fixture
def link(echo):
    made = Proxy(echo.port, seed=1)
    yield made
    made.close()


def dial(link):
    sock = socket.create_connection(("127.0.0.1", link.port), 30)
    sock.settimeout(30)
    return sock


def take(sock, n):
    got = b""
    while len(got) < n:
        data = sock.recv(n - len(got))
        assert data, f"ended after {len(got)} of {n} bytes"
        got += data
    return got


def hears_nothing(sock, seconds=0.3):
    sock.settimeout(seconds)
    try:
        return sock.recv(1) is None
    except TimeoutError:
        return True
    finally:
        sock.settimeout(30)


def test_without_impairment_a_megabyte_comes_back_as_it_was(link):
    data = random.Random(1).randbytes(1 << 20)
    sock = dial(link)
    sender = threading.Thread(target=sock.sendall, args=(data,))
    sender.start()
    assert take(sock, len(data)) == data
    sender.join()
    # An end is passed on as an end: what the other side still says arrives.
    sock.shutdown(socket.SHUT_WR)
    assert take(sock, 3) == b"bye" and sock.recv(1) == b""
    wait_for(lambda: link.connections == 0, 5, "the connection is forgotten")
    assert link.relayed_bytes == 2 * len(data) + 3


@pytest.mark.parametrize("delay, jitter", [(150, 0), (50, 100)])
def test_delay_and_jitter_keep_the_order(link, delay, jitter):
    link.impair(delay_ms=delay, jitter_ms=jitter)
    sock = dial(link)
    begun = time.monotonic()
    for i in range(200):
        sock.sendall(b"%05d" % i)
    assert take(sock, 5 * 200) == b"".join(b"%05d" % i for i in range(200))
    assert time.monotonic() - begun >= 2 * delay / 1000


def test_a_rate_holds_and_bytes_trickle(link):
    link.impair(rate_bytes_s=20_000)
    sock = dial(link)
    begun = time.monotonic()
    threading.Thread(target=sock.sendall, args=(bytes(30_000),), daemon=True).start()
    seen = []  # (bytes so far, seconds)
    while not seen or seen[-1][0] < 30_000:
        seen.append(((seen[-1][0] if seen else 0) + len(sock.recv(65536)), time.monotonic() - begun))
    # At no moment more than the rate allows, however late it is looked at; and not all of it at the end.
    assert all(got <= 20_000 * at + PIECE_BYTES for got, at in seen), seen
    assert len(seen) >= 3, "in bursts"


def test_a_stall_loses_nothing_and_goes_on_where_it_stood(link):
    sock = dial(link)
    sock.sendall(b"a")
    assert take(sock, 1) == b"a"
    link.stall()
    sock.sendall(b"b")
    waiting = dial(link)
    waiting.sendall(b"c")
    assert hears_nothing(sock)
    link.resume()
    assert take(sock, 1) == b"b"
    assert take(waiting, 1) == b"c", "who connected meanwhile goes through"


def test_a_blackhole_swallows_and_what_it_swallowed_is_reset_afterwards(link, echo):
    sock, quiet = dial(link), dial(link)
    for one in (sock, quiet):
        one.sendall(b"a")
        assert take(one, 1) == b"a"
    link.impair(blackhole=True)
    sock.sendall(b"lost")
    waiting = dial(link)
    assert hears_nothing(sock)
    assert all(taken == b"a" for taken in echo.taken)
    link.mend()
    with pytest.raises(ConnectionResetError):
        sock.recv(1)
    for one in (quiet, waiting):  # nothing of theirs was lost
        one.sendall(b"d")
        assert take(one, 1) == b"d"


def test_a_cut_resets_both_ends_and_new_ones_are_taken(link, echo):
    sock = dial(link)
    sock.sendall(b"a")
    assert take(sock, 1) == b"a"
    link.cut()
    with pytest.raises(ConnectionResetError):
        sock.recv(1)
    wait_for(lambda: echo.ends == ["reset"], 5, "the target is told")
    again = dial(link)
    again.sendall(b"b")
    assert take(again, 1) == b"b"


def test_half_closed_the_other_direction_goes_on(link, echo):
    echo.answers = False
    sock = dial(link)
    sock.sendall(b"a")
    wait_for(lambda: echo.taken and echo.taken[0] == b"a", 5, "the target has it")
    assert link.half_close() == 1
    assert take(sock, 3) == b"bye", "the target saw an end and could still answer"
    assert echo.ends == ["end"]
    assert echo.taken[0] == b"a"


def test_half_closed_towards_the_client_what_it_says_still_arrives(link, echo):
    sock = dial(link)
    sock.sendall(b"a")
    assert take(sock, 1) == b"a"
    assert link.half_close(towards_target=False) == 1
    assert sock.recv(1) == b""
    for said in (b"b", b"c"):  # the answer to b goes nowhere, and must not end the connection
        sock.sendall(said)
        wait_for(lambda: echo.taken[0].endswith(said), 5, f"{said} arrives")
    assert link.connections == 1 and echo.ends == []


def test_reset_in_the_middle_of_what_is_on_its_way(link, echo):
    echo.answers = False
    link.impair(reset_after_bytes=10_000)
    sock = dial(link)
    with pytest.raises(OSError):
        for _ in range(1000):
            sock.sendall(bytes(1000))
            time.sleep(0)
        sock.recv(1)
    wait_for(lambda: echo.ends == ["reset"], 5, "the target is told")
    assert 0 < len(echo.taken[0]) <= 10_000 + 4096
    wait_for(lambda: link.connections == 0, 5, "it is forgotten")


def test_a_target_that_is_not_there_is_seen_as_a_reset(echo):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        link = Proxy(nobody.getsockname()[1])
        with pytest.raises(ConnectionResetError):
            dial(link).recv(1)
        link.close()
    link.close()


def test_what_is_out_of_bounds_is_refused_and_changes_nothing(link):
    for name, value in (("delay_ms", -1), ("jitter_ms", -1), ("rate_bytes_s", 0), ("reset_after_bytes", -5)):
        with pytest.raises(ValueError, match=name):
            link.impair(**{"delay_ms": 7, name: value})
    assert link.now.delay_ms == 0


# ---- the command ----

COMMAND = ["/usr/bin/python3", "-B", "-m", "impair"]


def command(*args):
    return subprocess.Popen([*COMMAND, *args], cwd=SOURCE / "provisioning", text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_the_command_relays_cuts_and_ends_with_a_signal(echo):
    with command("--to", f"127.0.0.1:{echo.port}", "--cut-every", "300ms", "--seed", "7") as program:
        port = int(program.stdout.readline().rpartition(":")[2])

        def relayed():
            """A connection that was there before the next cut, which may come at any moment."""
            sock = socket.create_connection(("127.0.0.1", port), 30)
            try:
                sock.settimeout(30)
                sock.sendall(b"a")
                return take(sock, 1) == b"a" and sock
            except ConnectionError:
                return None
        sock = wait_for(relayed, 10, "a byte comes back")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
        os.kill(program.pid, signal.SIGINT)
        said = program.stderr.read()
        assert program.wait(10) == 0, said
    assert "seed 7" in said and "cut: 1 connections" in said and re.search(r"relayed \d+ bytes", said)


@pytest.mark.parametrize("args, word", [
    (["--to", "nowhere"], "HOST:PORT"), (["--to", "h:1", "--delay", "soon"], "300ms"),
    (["--to", "h:1", "--rate", "0"], "32k"), ([], "--to")])
def test_the_command_names_what_is_wrong(args, word):
    done = subprocess.run([*COMMAND, *args], cwd=SOURCE / "provisioning", text=True, capture_output=True)
    assert done.returncode == 2 and word in done.stderr
