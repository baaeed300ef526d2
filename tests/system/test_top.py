"""`branchline-agent top` in a real terminal (a pseudo one) against a real agent: what is on the screen, keys, sizes, slow
lines, and that the terminal is as before when it ends."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
from contextlib import closing

import pytest

from support.builds import program
from support.process import clean_environment
from support.wait import wait_for
from test_local import Agent


@pytest.fixture
def agent(tmp_path, pki, processes):
    one = Agent(tmp_path, pki, processes, listen=False, extra="samplers:\n  synthetic: {enabled: yes, series: 30}\n").start()
    wait_for(lambda: "synthetic" in one.command("top", "--once").stdout, 20, "it has sampled", one.process.log)
    return one


# What is written at once may be read in two pieces: the begin of a control sequence, and of a character.
BEGUN = re.compile(rb"\x1b(\[(\?(1(0(49?)?)?|25?)?|[0127]|\d+(;(1(H(\x1b(\[)?)?)?)?)?)?)?")
HALF_A_CHARACTER = re.compile(rb"([\xc0-\xff]|[\xe0-\xff][\x80-\xbf]|[\xf0-\xff][\x80-\xbf]{2})$")


class Terminal:
    """Enough of a VT100 for what top may send; anything else raises."""

    def __init__(self, agent, rows=24, cols=80, lang="en_US.UTF-8", speed=None, every="500ms"):
        self.master, slave = pty.openpty()
        if speed is not None:
            settings = termios.tcgetattr(slave)
            settings[4] = settings[5] = speed
            termios.tcsetattr(slave, termios.TCSANOW, settings)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.sent, self.half, self.screen, self.modes, self.count = b"", b"", {}, {"?25"}, 0
        self.size(rows, cols)
        argv = [program("branchline-agent"), "top", "--state", agent.state, "--every", every]
        self.process = subprocess.Popen([str(a) for a in argv], stdin=slave, stdout=slave, stderr=subprocess.PIPE,
                                        env=clean_environment(LC_ALL=lang))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.master)
        os.close(self.slave)

    def size(self, rows, cols):
        self.rows, self.cols = rows, cols
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def type(self, keys):
        os.write(self.master, keys.encode())

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            self.sent += os.read(self.master, 65536)
        while self.sent and self.take():
            pass

    def take(self):
        """One control sequence or the text of one line; False while the rest of it is still to come."""
        match = re.match(rb"\x1b\[(\?1049|\?25)([hl])|\x1b\[(0|1|7)m|\x1b\[2J|\x1b\[H|\x1b\[(\d+);1H\x1b\[K", self.sent)
        if not match:
            if BEGUN.fullmatch(self.sent):
                return False
            match = re.match(rb"[^\x00-\x1f\x7f]+", self.sent)
            assert match, self.sent[:80]
            text, self.half = self.half + match.group(), b""
            if ends := HALF_A_CHARACTER.search(text):
                text, self.half = text[:ends.start()], ends.group()
            self.screen[self.row] += text.decode()
        elif match.group(1):
            (self.modes.add if match.group(2) == b"h" else self.modes.discard)(match.group(1).decode())
        elif match.group(4):
            self.row = int(match.group(4))
            self.count += 1
            self.screen[self.row] = ""
        elif match.group() == b"\x1b[2J":
            self.screen = {}
        self.sent = self.sent[match.end():]
        return True

    def text(self):
        self.read()
        return "\n".join(self.screen.get(i + 1, "") for i in range(max(self.screen, default=0)))

    def shows(self, *words, but=()):
        def seen():
            text = self.text()
            return all(w in text for w in words) and not any(w in text for w in but)
        wait_for(seen, 20, f"the screen shows {words}", lambda: self.text())

    def end(self):
        """The exit code; the terminal must be as it was."""
        code = wait_for(lambda: self.read() or self.process.poll() is not None and (self.process.returncode,), 20, "it ends")
        self.read()
        assert self.modes == {"?25"} and termios.tcgetattr(self.slave) == self.before
        assert self.process.stderr.read() == b""
        return code[0]


SCREENS = ("\x1b[?1049h\x1b[?25l\x1b[2J\x1b[12;1H\x1b[K代理程序 \x1b[7mon\x1b[0m it\x1b[3;1H\x1b[K🚚\x1b[1mé\x1b[0m"
           "\x1b[H\x1b[?25h\x1b[?1049l").encode()


def test_a_screen_that_is_read_in_two_pieces_is_the_same():
    for cut in range(len(SCREENS) + 1):
        terminal = Terminal.__new__(Terminal)
        terminal.sent, terminal.half, terminal.screen, terminal.modes, terminal.count = b"", b"", {}, {"?25"}, 0
        for piece in (SCREENS[:cut], SCREENS[cut:]):
            terminal.sent += piece
            while terminal.sent and terminal.take():
                pass
        assert (terminal.sent, terminal.half, terminal.modes, terminal.count) == (b"", b"", {"?25"}, 2), cut
        assert terminal.screen == {12: "代理程序 on it", 3: "🚚é"}, cut


def test_it_shows_scrolls_filters_and_leaves_the_terminal_as_it_was(agent):
    with closing(Terminal(agent)) as terminal:
        terminal.shows("Branchline agent  dev-1  site shop", "agent_cpu_ms_total", "q quit", "1-")
        assert terminal.modes == {"?1049"} and len(terminal.screen) == 24  # and no cursor
        assert all(len(line) <= 80 for line in terminal.screen.values())
        terminal.type("\x1b[6~")
        terminal.shows("Branchline agent", but=["agent_cpu_ms_total"])
        terminal.type("g/synthetic series=7")
        terminal.shows("filter: synthetic series=7", "1-2/2", but=["cpu_used_pct", "No series"])
        terminal.type("\x1b")
        terminal.shows("q quit", "agent_cpu_ms_total")
        terminal.size(12, 60)
        terminal.process.send_signal(signal.SIGWINCH)
        wait_for(lambda: terminal.text() and len(terminal.screen) == 12, 20, "it fits into 12 rows", terminal.text)
        assert all(len(line) <= 60 for line in terminal.screen.values())
        terminal.type("q")
        assert terminal.end() == 0


def test_it_filters_by_words_that_are_not_ascii(agent):
    with closing(Terminal(agent, cols=120, lang="zh_CN.UTF-8")) as terminal:
        terminal.shows("agent_cpu_ms_total")
        terminal.type("/占用的内存")
        terminal.shows("筛选: 占用的内存", "agent_resident_bytes", but=["agent_cpu_ms_total"])
        terminal.type("\x7f\x7f\x7f\x7f\x7f处理器")
        terminal.shows("筛选: 处理器", "agent_cpu_ms_total", but=["agent_resident_bytes", "?"])
        terminal.type("\x1b")
        terminal.shows("agent_resident_bytes")
        terminal.type("q")
        assert terminal.end() == 0


def test_signals_end_it_in_order_in_each_language(agent):
    words = {"zh_CN.UTF-8": ["代理程序", "需要关注", "连接", "当前数值", "退出"], "en_GB.UTF-8": ["Current values"],
             "C": ["Current values"]}
    for number, (lang, expected) in zip((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), words.items()):
        with closing(Terminal(agent, lang=lang)) as terminal:
            terminal.shows(*expected)
            assert lang != "C" or terminal.text().isascii()
            terminal.process.send_signal(number)
            assert terminal.end() == 0


def test_a_dead_agent_is_said_and_what_was_known_stays(agent):
    with closing(Terminal(agent)) as terminal:
        terminal.shows("agent_cpu_ms_total")
        agent.process.stop()
        terminal.shows("ask the agent", "agent_cpu_ms_total")
        agent.start()
        terminal.shows("agent_cpu_ms_total", but=["ask the agent"])
        terminal.type("q")
        assert terminal.end() == 0
    agent.process.stop()
    done = agent.command("top", "--once")
    assert done.returncode == 2 and "agent.sock" in done.stderr and done.stdout == ""


def test_a_serial_line_is_sent_only_what_changed_and_programs_no_keys(agent):
    with closing(Terminal(agent, speed=termios.B9600, every="1m")) as slow:  # so that no answer comes in between
        slow.shows("Current values", "1-")
        slow.type("/")
        slow.shows("filter: _")
        slow.count = 0
        slow.type("\x7f")  # nothing to take away: the same screen
        slow.type("s")
        slow.shows("filter: s_")
        lines = slow.count
        assert 0 < lines < 24
        slow.type("\x1b")
        slow.shows("q quit")
        slow.type("q")
        assert slow.end() == 0
    # For programs, there is no terminal.
    once = agent.command("top", "--once")
    assert once.returncode == 0 and "\x1b" not in once.stdout and "synthetic" in once.stdout
    mode = "mode=" + "m" * 100
    subprocess.run([program("branchline-agent"), "metric", "queue", "3", mode, "--socket", agent.state / "steps.sock"],
                   check=True, timeout=40)
    whole = wait_for(lambda: next((t for t in [agent.command("top", "--once").stdout] if mode in t), None), 20, "it is shown whole")
    cut = subprocess.run([program("branchline-agent"), "top", "--once", "--state", agent.state], capture_output=True,
                         text=True, timeout=40, env={**clean_environment(), "COLUMNS": "80"}).stdout
    assert max(map(len, cut.splitlines())) == 80 < max(map(len, whole.splitlines()))
    now = json.loads(agent.command("top", "--json").stdout)
    assert sum(s["name"] == "synthetic" for s in now["series"]) == 30
    assert now["status"]["device"] == "dev-1"
    with open("/dev/full", "w") as full:  # what could not be written is not called done
        assert subprocess.run([program("branchline-agent"), "top", "--json", "--state", agent.state], stdout=full,
                              timeout=40).returncode == 1
    assert agent.command("top", "--every", "1ms").returncode == 64
