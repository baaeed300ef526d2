"""Logs of other programs, followed by a real agent: each line is reported once, whatever is killed and rotated."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import textwrap
import time
from pathlib import Path

import pytest

from support.builds import program
from support.seed import chance_seed
from support.wait import wait_for
from test_steps import Device, agent, attributes

KILLS = 60 if os.environ.get("BL_LONG") else 3
DPKG = Path("/var/log/dpkg.log")


def watching(path, patterns, start="beginning", encoding="utf-8"):
    """The part of the configuration that follows one log by (expression, mapping)s."""
    rows = "".join(f"        - match: '{match}'\n          map: {mapping}\n" for match, mapping in patterns)
    return (f"inlets:\n  loglines:\n    every: 100ms\n    watch:\n    - name: app\n      path: {path}\n"
            f"      from: {start}\n      encoding: {encoding}\n      patterns:\n{rows}")


ORDERS = [("order=(?<no>\\d+) (?<what>begin|end)",
           "{process: order, case: '{no}', step: work, phase: '{what}'}")]

CHINESE = [("订单(?<单号>\\d+)：(?<步骤>[^ ]+) (?<动作>开始|完成|取消)",
            "{process: order, case: '{单号}', step: '{步骤}', phase: event, when: {动作: 开始|完成}, "
            "attributes: {动作: '{动作}'}}")]


def counts(device):
    return device.state()["inlets"]["loglines"]["counts"]


def cases(events):
    return [(attributes(e)["case"], e["type"]) for e in events]


def is_on_disk(device, log, what=""):
    """All that is in the log is, and so is where it ended. what: "before " of one that was rotated away."""
    try:
        text = (device.state_dir / "loglines.places").read_text()
    except OSError:
        return False
    st = log.stat()
    path = log if not what else log.with_suffix(".log")
    return any(line.endswith(f" app\t{what}{path}") and line.split()[1:3] == [str(st.st_ino), str(st.st_size)]
               for line in text.splitlines())


def test_lines_come_once_over_kill_9_and_rotation(tmp_path, processes):
    """The agent is killed at any moment while a program writes and its log is rotated, renamed or copied and cut."""
    seed = chance_seed()
    print(f"seed {seed} (BL_SEED repeats it)")
    rng = random.Random(seed)
    log = tmp_path / "app.log"
    log.write_text("")
    device = Device(tmp_path / "agent", processes, watching(log, ORDERS))
    device.start()
    written = 0

    def write(n):
        nonlocal written
        with log.open("a") as f:
            for _ in range(n):
                f.write(f"noise\n12:00:00 order={written} begin\n")
                written += 1

    write(1)
    wait_for(lambda: is_on_disk(device, log), 30, "the first line is read", device.process.log)
    for kill in range(KILLS):
        some = counts(device)["lines"] + 2
        write(rng.randrange(1, 300))
        if rng.random() < 0.5:
            wait_for(lambda: counts(device)["lines"] >= some, 20, "some lines are read", device.process.log)
        device.process.kill()
        write(rng.randrange(0, 20))
        if kill % 3 == 0:
            log.rename(tmp_path / f"app.log-{kill}")
            write(rng.randrange(3, 20))
        elif kill % 3 == 1:  # the copy holds lines that were stored after the place was last kept
            shutil.copy(log, tmp_path / f"app.log-{kill}")
            os.truncate(log, 0)
            write(rng.randrange(3, 20))  # more than the bytes by which a place is known again
        device.start()
        if kill % 3 == 1:  # what a kill in the middle of a copy does: agent/src/loglines/README.md
            wait_for(lambda: is_on_disk(device, tmp_path / f"app.log-{kill}", "before "), 30, "the copy is read to its end", device.process.log)
        if kill % 3 != 2:
            wait_for(lambda: is_on_disk(device, log), 30, "the rotated log is read to its end", device.process.log)
    write(1)
    wait_for(lambda: is_on_disk(device, log), 30, "everything is read", device.process.log)
    told = cases(device.events())
    assert len(told) == len(set(told)), "a line is there twice"
    assert told and set(told) == {(str(n), "step.begin") for n in range(written)}


WAYS = {"dates": "create\n  dateext\n  dateformat -%Y%m%d-%s", "ending": "create\n  extension .log", "copies": "copytruncate",
        "packed": "create\n  compress\n  delaycompress"}


@pytest.mark.skipif(shutil.which("logrotate") is None, reason="logrotate is not installed")
@pytest.mark.parametrize("way", WAYS)
def test_rotations_while_no_agent_runs_hide_nothing(tmp_path, processes, way):
    """Three of them. What is compressed meanwhile is not read, and that is said and counted."""
    log = tmp_path / "app.log"
    log.write_text("order=0 begin\n")
    conf, state = tmp_path / "logrotate.conf", tmp_path / "logrotate.state"
    conf.write_text(f"{log} {{\n  rotate 9\n  {WAYS[way]}\n  su root root\n}}\n")
    conf.chmod(0o600)
    tmp_path.chmod(0o755)

    def rotate():
        done = subprocess.run(["logrotate", "--force", "--state", state, conf], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        if way == "dates":  # names of the same second would be one
            for path in list(tmp_path.glob("app.log-*")):
                if path.stat().st_ino not in dated:
                    dated[path.stat().st_ino] = f"app.log-20261101-{len(dated)}"
                    path.rename(tmp_path / dated[path.stat().st_ino])

    dated = {}
    rotate()  # an old one, which was read or is none of ours
    log.write_text("order=1 begin\n")
    device = Device(tmp_path / "agent", processes, watching(log, ORDERS))
    device.start()
    wait_for(lambda: is_on_disk(device, log), 20, "the first line is on disk", device.process.log)
    device.process.stop()
    for n in range(2, 8, 2):
        with log.open("a") as f:
            f.write(f"order={n} begin\norder={n + 1} begin\n")
        rotate()
    with log.open("a") as f:
        f.write("order=8 begin\n")
    device.start()
    wait_for(lambda: is_on_disk(device, log), 20, "everything at the path is read", device.process.log)
    packed = range(2, 6) if way == "packed" else ()
    wanted = {str(n) for n in range(1, 9) if n not in packed}
    wait_for(lambda: counts(device)["accepted"] == len(wanted) - 1, 20, "all files are read", device.process.log)
    if packed:
        told = agent("status", "--state", device.state_dir).stdout
        assert re.search(r"log app: app\.log\.\d\.gz was not read \(\d+ bytes in all\)", told), told
        assert device.state()["inlets"]["loglines"]["refused"]["skipped_bytes"] > 0
    told = [case for case, _ in cases(device.events())]
    assert len(told) == len(set(told)) and set(told) == wanted
    assert not [line for line in device.process.log().splitlines() if "lost" in line and not packed]


@pytest.mark.parametrize("encoding, codec", [("gbk", "gbk"), ("utf-8", "utf-16")])
def test_lines_that_are_not_utf_8_come_once_over_kill_9(tmp_path, processes, encoding, codec):
    """As a program under Windows writes them, in pieces that end in the middle of a character."""
    log = tmp_path / "app.log"
    text = "".join(f"10:00 订单{n}：乗亅 {'开始' if n % 2 else '完成'}\r\n杂乱\r\n" for n in range(300)).encode(codec)
    cuts = [0, 1, 777, 1200, 5001, len(text)]
    log.write_bytes(text[:1])
    device = Device(tmp_path / "agent", processes, watching(log, CHINESE, encoding=encoding))
    device.start()
    for begin, end in zip(cuts[1:], cuts[2:]):
        with log.open("ab") as f:
            f.write(text[begin:end])
        wait_for(lambda: counts(device)["accepted"] + counts(device)["repeated"] > 0, 20, "some are on disk", device.process.log)
        device.process.kill()
        device.start()
    wait_for(lambda: is_on_disk(device, log), 20, "all is on disk", device.process.log)
    told = [attributes(e) for e in device.events()]
    assert [(str(t["case"]), t["step"]) for t in told] == [(str(n), "乗亅") for n in range(300)]


@pytest.mark.skipif(shutil.which("logrotate") is None, reason="logrotate is not installed")
@pytest.mark.parametrize("way", ["create", "copytruncate"])
def test_logrotate_loses_no_line(tmp_path, processes, way):
    log = tmp_path / "app.log"
    log.write_text("order=0 begin\n")
    conf, state = tmp_path / "logrotate.conf", tmp_path / "logrotate.state"
    conf.write_text(f"{log} {{\n  rotate 9\n  {way}\n  su root root\n}}\n" if os.getuid() == 0 else
                    f"{log} {{\n  rotate 9\n  {way}\n}}\n")
    conf.chmod(0o600)
    tmp_path.chmod(0o755)
    device = Device(tmp_path / "agent", processes, watching(log, ORDERS))
    device.start()
    for n in range(1, 4):
        wait_for(lambda: counts(device)["accepted"] == n, 20, "the line is on disk", device.process.log)
        done = subprocess.run(["logrotate", "--force", "--state", state, conf], capture_output=True, text=True,
                              timeout=30)
        assert done.returncode == 0, done.stderr
        with log.open("a") as f:
            f.write(f"order={n} begin\n")
    wait_for(lambda: counts(device)["accepted"] == 4, 20, "the last line is on disk", device.process.log)
    assert cases(device.events()) == [(str(n), "step.begin") for n in range(4)]


def test_a_reload_takes_in_a_new_pattern_and_loses_no_line(tmp_path, processes):
    log = tmp_path / "app.log"
    log.write_text("order=1 begin\n")
    device = Device(tmp_path / "agent", processes, watching(log, ORDERS))
    device.start()
    wait_for(lambda: counts(device)["accepted"] == 1, 20, "the first line is on disk", device.process.log)
    device.write(watching(log, ORDERS + [("paid (?<no>\\d+)", "{report: case, process: order, case: '{no}', status: paid}")]))
    with log.open("a") as f:
        f.write("order=2 begin\n")
        device.process.signal(signal.SIGHUP)
        f.write("order=3 begin\n")
    wait_for(lambda: "reloaded changed=yes" in device.process.log(), 20, "it reloads", device.process.log)
    with log.open("a") as f:
        f.write("paid 3\n")
    wait_for(lambda: is_on_disk(device, log), 20, "all are on disk", device.process.log)
    assert cases(device.events()) == [("1", "step.begin"), ("2", "step.begin"), ("3", "step.begin"), ("3", "step.event")]


def test_what_logger_writes_becomes_steps(tmp_path, processes):
    """Lines of syslog as `logger` makes them: no year, no zone."""
    log = tmp_path / "syslog"
    log.write_text("")
    pattern = [("^<\\d+>(?<time>\\w+ +\\d+ [\\d:]+) (?<who>\\S+?): order (?<no>\\d+) (?<what>begin|end)",
                "{process: order, case: '{no}', step: pick, phase: '{what}', time: '{time}', "
                "time_format: '%b %d %T', attributes: {who: '{who}'}}")]
    device = Device(tmp_path / "agent", processes, watching(log, pattern))
    device.start()
    for what in ("begin", "end"):
        with log.open("a") as f:
            done = subprocess.run(["logger", "--no-act", "-s", "--socket-errors=off", "-t", "shop", f"order 17 {what}"], stderr=f,
                                  stdout=subprocess.DEVNULL, timeout=20)
        assert done.returncode == 0
    if "order 17" not in log.read_text():
        pytest.skip(f"this logger prints nothing of its own: {log.read_text()[:80]!r}")
    with log.open("a") as f:
        f.write("<13>Geheim 99 10:00:00 shop: order 18 begin\n")
    wait_for(lambda: "time: {time}: expected a time" in device.process.log(), 20, "a wrong line is told",
             device.process.log)
    assert "Geheim" not in device.process.log()  # what stands in a log is nothing for the agent's
    wait_for(lambda: counts(device)["accepted"] == 2, 20, "both are on disk", device.process.log)
    events = device.events()
    assert [e["type"] for e in events] == ["step.begin", "step.end"]
    assert attributes(events[0])["who"] == "shop"


# ---- the command ----

def try_lines(tmp_path, patterns, text, *args, encoding="utf-8"):
    """Text, or the bytes of one."""
    config, lines = tmp_path / "agent.yaml", tmp_path / "lines"
    config.write_text("device: {id: d, site: s, part: 1}\nbroker: {host: x}\n" +
                      watching("/var/log/x.log", patterns, encoding=encoding))
    lines.write_bytes(text if isinstance(text, bytes) else text.encode())
    with lines.open() as f:
        return agent("loglines", "test", "--name", "app", "--config", config, *args, stdin=f)


def test_the_command_shows_what_lines_would_become(tmp_path):
    done = try_lines(tmp_path, ORDERS, "order=7 begin\nother\x1b[2J\norder=7 end\n")
    assert (done.returncode, done.stdout) == (0, textwrap.dedent("""\
        1: order=7 begin
           pattern 1 sends step.begin at=reading process=order case=7 step=work
        2: other?[2J
           nothing is sent: no pattern matches
        3: order=7 end
           pattern 1 sends step.end at=reading process=order case=7 step=work
        """))
    assert done.stderr == "3 lines: 2 reports would be sent; 0 refused; 1 without a match; 0 wrong\n"
    done = try_lines(tmp_path, ORDERS, "other\norder=7 begin\n", "--all", "--json")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"line": 1, "note": "no pattern matches"},
        {"line": 2, "pattern": 1, "report": "event", "type": "step.begin", "at": None,
         "attributes": {"process": "order", "case": "7", "step": "work"}}]
    done = try_lines(tmp_path, ORDERS, "other\n" * 30)
    assert done.returncode == 1 and done.stdout.count("other") == 10 and "--all" in done.stdout
    assert try_lines(tmp_path, ORDERS, "other\n" * 30, "--all").stdout.count("other") == 30
    done = try_lines(tmp_path, CHINESE, "10:00 订单4711：审核 完成\n10:00 订单4711：审核 取消\n")
    assert done.stdout.splitlines() == [
        "1: 10:00 订单4711：审核 完成", "   pattern 1 sends step.event at=reading process=order case=4711 step=审核 动作=完成",
        "2: 10:00 订单4711：审核 取消", "   pattern 1 matches, but its `when` wants other lines"], done
    metric = [("load (?<v>\\S+)", "{report: metric, name: load, value: '{v}'}")]
    done = try_lines(tmp_path, metric, "load 1.5\nload high\n" + "x" * 9000 + "\nload 2")
    assert done.returncode == 1
    told = done.stdout.splitlines()
    assert told[1] == "   pattern 1 sends metric load=1.5 at=reading"
    assert told[3].startswith("   nothing is sent: pattern 1 matches, but: value: ")
    assert told[4].startswith("3: xxxx") and told[5] == "   nothing is sent: the line is longer than 8192 bytes"
    assert told[7] == "   pattern 1 sends metric load=2 at=reading"


@pytest.mark.parametrize("encoding, codec", [("gbk", "gbk"), ("gb18030", "gb18030"), ("utf-16le", "utf-16-le"),
                                             ("utf-8", "utf-16"), ("gbk", "utf-8-sig")])
def test_the_command_knows_encodings(tmp_path, encoding, codec):
    text = "10:00 订单1：乗亅 完成\r\nother\n10:00 订单2：审核 开始"
    done = try_lines(tmp_path, CHINESE, text.encode(codec), "--json", encoding=encoding)
    assert [json.loads(line)["attributes"]["step"] for line in done.stdout.splitlines()] == ["乗亅", "审核"]
    done = try_lines(tmp_path, CHINESE, "订单1：审核 完成".encode("gbk") + b"\xff\n", encoding="gbk")
    assert "pattern 1 matches, but: text that is not gbk" in done.stdout


def test_the_command_says_what_the_agent_would_refuse(tmp_path):
    pattern = [("^(?<t>\\S+) (?<n>\\S+)$", "{report: case, process: order, case: '{n}', status: open, time: '{t}', time_format: unix}")]
    now = int(time.time())
    lines = f"{now - 86400} 1\n{now - 8 * 86400} 2\n{now + 3600} 3\n"
    done = try_lines(tmp_path, pattern, lines, "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(t["attributes"]["case"], t.get("refused", "").split(":")[0]) for t in told] == [
        ("1", ""), ("2", "the time lies too far back"), ("3", "the time lies in the future")]
    assert done.returncode == 0 and done.stderr == "3 lines: 1 reports would be sent; 2 refused; 0 without a match; 0 wrong\n"
    assert "   the agent refuses it: the time lies too far back" in try_lines(tmp_path, pattern, lines).stdout


def test_wrong_usage_is_told(tmp_path):
    done = try_lines(tmp_path, [("a(", "{case: x, phase: event}")], "")
    assert done.returncode == 78 and "is not closed" in done.stderr
    assert agent("loglines").returncode == 64
    config = tmp_path / "agent.yaml"
    config.write_text("device: {id: d, site: s, part: 1}\nbroker: {host: x}\n" + watching("/var/log/x.log", ORDERS))
    done = agent("loglines", "test", "--name", "none", "--config", config, input="")
    assert done.returncode == 64 and '"app"' in done.stderr
    done = agent("loglines", "test", "--config", config, input="order=1 begin\n")  # the only one
    assert done.returncode == 0 and done.stderr.startswith("1 lines: 1 reports")
    config.write_text(config.read_text() + "    - {name: two, path: /x, patterns: [{match: x, map: {report: event, type: x.y}}]}\n")
    done = agent("loglines", "test", "--config", config, input="")
    assert done.returncode == 64 and 'there are 2: "app" "two"' in done.stderr


@pytest.mark.skipif(not DPKG.is_file(), reason="this machine has no /var/log/dpkg.log")
def test_a_real_log_is_read_as_python_reads_it(tmp_path):
    """dpkg's own log of this machine: begin and end of each package's unpacking and setting up."""
    text = "".join(DPKG.read_text().splitlines(keepends=True)[:20000])
    pattern = [("^(?<time>\\S+ \\S+) (?<what>configure|install|upgrade|remove) (?<package>\\S+) (?<old>\\S+)(?: (?<new>\\S+))?$",
                "{report: case, process: packages, case: '{package}', status: '{what}', time: '{time}', "
                "time_format: '%F %T', zone: UTC, attributes: {version: '{new}'}}")]
    told = [json.loads(line) for line in try_lines(tmp_path, pattern, text, "--json").stdout.splitlines()]
    expected = re.findall(r"^(\S+ \S+) (configure|install|upgrade|remove) (\S+) (\S+)(?: (\S+))?$", text, re.M)
    assert [(t["at"], t["attributes"]["case"], t["attributes"]["status"]) for t in told] == [
        (when.replace(" ", "T") + ".000Z", package, what) for when, what, package, _, _ in expected]
    assert expected
