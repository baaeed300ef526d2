"""Drop folders with a real agent: what programs that can only write files put there is in the spool
once, whatever is killed, and every file ends in done/ or bad/."""

import csv
import datetime
import io
import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.builds import program
from support.seed import chance_seed
from support.status import status_of
from support.wait import free_port, wait_for

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "contract"))
import wire_decoder  # noqa: E402

KILLS = 100 if os.environ.get("BL_LONG") else 3

ROWS = """
      - name: rows
        path: FOLDER
        files: ["*.csv"]
        settle: 0s
        types: [tmpfs, overlay]
        reports:
          - {report: case, process: order, case: "{nr}", status: "{state}"}
"""


class Device:
    """An agent without a centre, with drop folders; judged by its spool."""

    def __init__(self, folder, processes, folders):
        self.folder, self.processes = folder, processes
        self.drop = folder / "drop"
        self.drop.mkdir(parents=True)
        self.config = folder / "agent.yaml"
        self.spool = folder / "state" / "spool.db"
        self.config.write_text(
            f"device: {{id: dev-1, site: shop, part: 3}}\nbroker: {{host: 127.0.0.1, port: {free_port()}}}\n"
            f"state_dir: state\ninterval: 1s\ninlets:\n  drop:\n    folders:{folders.replace('FOLDER', str(self.drop))}")

    def start(self):
        before = self.process.log().count("steps are taken") if hasattr(self, "process") else 0
        self.process = self.processes.start("agent", [program("branchline-agent"), "run", "--config", self.config])
        self.process.wait_log("steps are taken", 20, before + 1)
        return self

    def accepted(self):
        return status_of("--config", self.config)["inlets"]["drop"]["counts"]["accepted"]

    def put(self, name, text, encoding="utf-8"):
        """As a careful program does it: whole, and then under its name."""
        (self.drop / (name + ".tmp")).write_text(text, newline="", encoding=encoding)
        (self.drop / (name + ".tmp")).rename(self.drop / name)

    def wait_empty(self):
        wait_for(lambda: not [p for p in self.drop.iterdir() if p.is_file()], 60, "all files are put away", self.process.log)

    def events(self):
        """What is in the spool, oldest first. A start cuts what an earlier run left open."""
        if self.process.running():
            self.process.stop()
        self.start()
        self.process.stop()
        found = []
        with sqlite3.connect(f"file:{self.spool}?mode=ro", uri=True) as spool:
            for (message,) in spool.execute("SELECT msg FROM body JOIN batch USING (id) WHERE events > 0 ORDER BY id"):
                found += [e for e in wire_decoder.decode(message)["events"] if e["type"].startswith(("step.", "shop."))]
        return found


def test_rows_of_dropped_files_are_there_once_whatever_is_killed(tmp_path, processes):
    seed = chance_seed()
    print(f"seed {seed} (BL_SEED repeats it)")
    rng = random.Random(seed)
    device = Device(tmp_path / "agent", processes, ROWS).start()
    wanted, bad, n = [], 0, 0

    def drop_file():
        nonlocal n, bad
        lines = ["nr,state"]
        for i in range(rng.randrange(1, 300)):
            nr = f"{n}-{i}"
            if rng.randrange(50) == 0:
                lines.append(f"{nr},open,")
                lines.append(nr)  # a column is missing
                bad += 1
            else:
                lines.append(f"{nr},open")
            wanted.append(nr)
        device.put(f"{n:04}.csv", "\r\n".join(lines) + "\r\n")
        n += 1

    def done():
        return len(os.listdir(device.drop / "done")) if (device.drop / "done").exists() else 0

    for _ in range(KILLS):
        until = done() + rng.randrange(1, 7)
        for _ in range(8):
            drop_file()
        # Another one is being read at that moment.
        wait_for(lambda: done() >= until, 60, "files are done", device.process.log)
        device.process.kill()
        device.start()
    device.wait_empty()
    cases = [dict(e["attrs"])["case"] for e in device.events()]
    assert len(cases) == len(set(cases)), "a row is there twice"
    assert set(cases) == set(wanted)
    assert len(list((device.drop / "done").iterdir())) == n
    told = "".join(p.read_text() for p in (device.drop / "bad").iterdir()) if bad else ""
    assert told.count("expected 2 columns, got 1") == bad


PROGRAMS = """
      - name: tickets
        path: FOLDER
        files: ["*.csv"]
        settle: 200ms
        types: [tmpfs, overlay]
        reports:
          - {report: step, process: service, case: "{工单}", step: "{步骤}", begin: "{开始}", end: "{结束}",
             time_format: "%Y-%m-%d %H:%M:%S", zone: Asia/Shanghai,
             attributes: {note: "{备注}", 金额: "{金额}"}}
      - name: lines
        path: FOLDER
        files: ["*.jsonl"]
        format: jsonl
        settle: 200ms
        types: [tmpfs, overlay]
        reports:
          - {report: event, type: "shop.{kind}", id: "{id}", time: "{t}", time_format: unix,
             attributes: {who: "{by.name}", sum: "{sum}", paid: "{paid}"}}
"""


def test_files_of_other_programs_are_understood(tmp_path, processes):
    """Python's csv writer (Excel's dialect) and json, with all that a value may hold."""
    device = Device(tmp_path / "agent", processes, PROGRAMS).start()
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    shanghai = datetime.timezone(datetime.timedelta(hours=8))
    notes = ["plain", 'say "hi", twice', "two\nlines\r\nthree", "审核,通过", " spaces ", "007", ";\t'", ""]
    with open(device.drop / "tickets.csv.part", "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(["工单", "步骤", "开始", "结束", "备注", "金额"])
        for i, note in enumerate(notes):
            begin = now - datetime.timedelta(hours=i + 1)
            writer.writerow([f"W-{i}", "上门", begin.astimezone(shanghai).strftime("%Y-%m-%d %H:%M:%S"),
                             (begin + datetime.timedelta(minutes=5)).astimezone(shanghai).strftime("%Y-%m-%d %H:%M:%S"),
                             note, i * 1.25])
    with open(device.drop / "sales.jsonl.part", "w", encoding="utf-8") as file:
        for i, note in enumerate(notes):
            file.write(json.dumps({"kind": "sale", "id": f"sale-{i % 7}", "t": now.timestamp() - i, "by": {"name": note},
                                   "sum": i / 8, "paid": i % 2 == 0}, ensure_ascii=i % 2 == 0) + "\n")
    for name in ("tickets.csv", "sales.jsonl"):
        (device.drop / (name + ".part")).rename(device.drop / name)
    device.wait_empty()
    events = device.events()
    steps = {(e["type"], dict(e["attrs"])["case"]): e for e in events if e["type"].startswith("step.")}
    assert len(steps) == 2 * len(notes) == len([e for e in events if e["type"].startswith("step.")])
    for i, note in enumerate(notes):
        begin, end = steps["step.begin", f"W-{i}"], steps["step.end", f"W-{i}"]
        # Boot and wall clock are two clocks, read one after the other, and the machine may stand still in between.
        assert abs(end["boot_ms"] - begin["boot_ms"] - 300_000) <= 10_000
        attrs = dict(begin["attrs"])
        assert attrs == dict(end["attrs"]) and attrs["金额"] == i * 1.25 and attrs.get("note", "") == note
        assert attrs["step"] == "上门" and attrs["process"] == "service"
    # The eighth has the id of the first: it is a repetition.
    sales = {e["id"]: dict(e["attrs"]) for e in events if e["type"] == "shop.sale"}
    assert len(sales) == 7 == len([e for e in events if e["type"] == "shop.sale"])
    for i in range(7):
        assert sales[f"sale-{i}"] == {"who": notes[i], "sum": i / 8, "paid": i % 2 == 0}


@pytest.mark.parametrize("wrong, said", [
    ("reports: []", "expected at least 1 entries"),
    ("reports: [{report: step, case: a, step: b}]", "a step needs `phase`"),
    ("reports: [{report: event, type: a, zone: Mars/North}]", "expected a time zone"),
    ("separator: ab, reports: [{report: event, type: a}]", "one character, or tab"),
])
def test_a_wrong_folder_is_refused_with_its_place(tmp_path, processes, wrong, said):
    device = Device(tmp_path / "agent", processes, f" [{{name: a, path: FOLDER, {wrong}}}]\n")
    process = processes.start("agent", [program("branchline-agent"), "check-config", "--config", device.config])
    assert process.wait(20) == 78
    assert said in process.log() and "inlets.drop.folders[0]" in process.log()


TRIED = """
      - name: rows
        path: FOLDER
        files: ["*.csv"]
        settle: 0s
        types: [tmpfs, overlay]
        reports:
          - {report: case, process: order, case: "{nr}", status: "{state}", time: "{t}", time_format: unix, when: {kind: case}}
          - {report: metric, name: weight, value: "{state}", labels: {nr: "{nr}"}, when: {kind: weight}}
"""


def test_the_command_shows_what_becomes_of_a_file(tmp_path, processes):
    """What it says of each line is what the agent does with it; it itself does nothing."""
    device = Device(tmp_path / "agent", processes, TRIED)
    now = int(time.time())
    text = ("kind,nr,state,t\r\n"
            f"case,1,open,{now}\r\ncase,2,open,soon\r\nweight,3,2.5,\r\n"
            f"other,4,x,\r\ncase,5,open,{now - 8 * 86400}\r\n\"case\",6,\"a\nb\",{now}\r\ncase,7\r\n")
    file = tmp_path / "rows.csv"
    file.write_text(text, newline="")
    command = [program("branchline-agent"), "drop", "test", file, "--config", device.config]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=20)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    sent = {t["line"]: t for t in told if "error" not in t}
    assert {n: (t["mapping"], t["report"]) for n, t in sent.items()} == {2: (1, "event"), 4: (2, "metric")}
    assert sent[2]["attributes"] == {"process": "order", "case": "1", "status": "open"}
    assert (sent[4]["name"], sent[4]["value"], sent[4]["labels"]) == ("weight", 2.5, {"nr": "3"})
    assert done.returncode == 1
    assert done.stderr == "2 reports would be sent; 1 rows no mapping is for; 4 set aside\n"
    shown = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout
    assert shown.startswith(f"2: case,1,open,{now}\n   mapping 1 sends ") and "\n9: case,7\n   set aside: expected 4 columns" in shown
    assert file.read_bytes() == text.encode() and not list(device.drop.iterdir())
    device.start()
    device.put("rows.csv", text, "utf-8")
    device.wait_empty()
    bad = (device.drop / "bad" / "rows.csv.bad").read_text()
    found = dict(re.findall(r"^line (\d+): (.*)$", bad, re.M))
    strip = re.compile(r"which says .*")
    assert {n: strip.sub("", why) for n, why in found.items()} == {
        str(t["line"]): strip.sub("", t["error"]) for t in told if "error" in t}


@pytest.mark.parametrize("args, code, said", [
    (["none.csv"], 1, "none.csv: No such file"),
    (["none.csv", "--name", "x"], 64, '"x" of inlets.drop.folders; there are 1: "rows"'),
    ([], 64, "usage: branchline-agent drop test FILE"),
])
def test_the_command_says_what_it_was_not_told(tmp_path, processes, args, code, said):
    device = Device(tmp_path / "agent", processes, TRIED)
    done = subprocess.run([program("branchline-agent"), "drop", "test", *args, "--config", device.config],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == code and said in done.stderr


def test_the_command_says_nothing_that_a_terminal_obeys(tmp_path, processes):
    """What others put into a file: its title's names, a value that is sent."""
    device = Device(tmp_path / "agent", processes, TRIED)
    file = tmp_path / "rows.csv"
    for text in ("\033]0;a\akind,nr\n", "kind,nr,state,t\nweight,\033]52;c;YQ==\a,2.5,\n"):
        file.write_text(text)
        done = subprocess.run([program("branchline-agent"), "drop", "test", file, "--config", device.config],
                              capture_output=True, text=True, timeout=20)
        assert re.search("whole file is set aside: no column|sends metric|   set aside: ", done.stdout)
        assert not re.search(r"[^\n -~]", done.stdout), repr(done.stdout)


def test_a_configuration_without_folders_is_told_so(tmp_path, processes):
    device = Device(tmp_path / "agent", processes, " []\n")
    done = subprocess.run([program("branchline-agent"), "drop", "test", "a.csv", "--config", device.config],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 64 and "the configuration has no entry of inlets.drop.folders" in done.stderr


def test_a_whole_number_is_shown_as_it_was_written(tmp_path, processes):
    device = Device(tmp_path / "agent", processes, TRIED)
    file = tmp_path / "a.csv"
    file.write_text("kind,nr,state,t\nweight,3,7,\n")
    done = subprocess.run([program("branchline-agent"), "drop", "test", file, "--config", device.config],
                          capture_output=True, text=True, timeout=20)
    assert "sends metric weight=7 at=reading nr=3\n" in done.stdout


EXCEL = """
      - name: rows
        path: FOLDER
        encoding: gbk
        settle: 0s
        types: [tmpfs, overlay]
        reports:
          - {report: case, process: order, case: "{订单号}", status: "{状态}", attributes: {备注: "{备注}"}}
"""


@pytest.mark.parametrize("codec", ["gbk", "utf-16"])
def test_what_excel_saves_in_china_is_there_once_over_kill_9(tmp_path, processes, codec):
    """Python's own csv and codecs write it; each kind of file says by its mark what it is, but for GBK."""
    device = Device(tmp_path / "agent", processes, EXCEL).start()
    notes = ["全角，“引号”", 'a "b"\n第二行', "乗|亅\\", "￥１２８．５０", "x" * 200]
    wanted = {}
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(["订单号", "状态", "备注"])
    for n in range(4000):
        wanted[f"单{n}"] = ("完成" if n % 2 else "进行中", notes[n % len(notes)])
        rows.writerow([f"单{n}", *wanted[f"单{n}"]])
    (device.drop / ".new").write_bytes(text.getvalue().encode(codec))
    (device.drop / ".new").rename(device.drop / "表.csv")
    for _ in range(3):
        some = device.accepted() + 300
        wait_for(lambda: device.accepted() >= some or not (device.drop / "表.csv").exists(), 30, "some rows are on disk",
                 device.process.log)
        device.process.kill()
        device.start()
    device.wait_empty()
    told = [dict(e["attrs"]) for e in device.events()]
    assert len(told) == len(wanted)
    assert {t["case"]: (t["status"], t["备注"]) for t in told} == wanted
    assert not (device.drop / "bad").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="wants a file system of its own")
def test_an_encoding_that_this_system_lacks_is_said_and_waited_for(tmp_path, processes):
    device = Device(tmp_path / "agent", processes, EXCEL)
    gconv = next(Path("/usr/lib").glob("*/gconv"))
    without = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {gconv} && exec "$@"', "sh", program("branchline-agent")]
    checked = subprocess.run([*without, "check-config", "--config", device.config], capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0
    assert "inlets.drop rows: this system cannot convert gbk; install libc-gconv-modules-extra" in checked.stderr
    device.put("a.csv", "订单号,状态,备注\n1,完成,\n", "gbk")
    process = processes.start("agent", [*without, "run", "--config", device.config])
    process.wait_log("a.csv waits: this system cannot convert gbk", 20)
    process.stop()
    assert (device.drop / "a.csv").exists()
    device.start().wait_empty()
    assert [dict(e["attrs"])["case"] for e in device.events()] == ["1"]
