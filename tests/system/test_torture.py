"""`branchline torture`: one minute of it holds; what is broken by hand afterwards is found; its own decoder,
arithmetic and manners by themselves.
"""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import zlib
from contextlib import closing
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from support.builds import SOURCE, program
from support.disk import SmallDisk
from support.seed import chance_seed
from support.wait import wait_for

sys.path[:0] = [str(SOURCE / "provisioning" / "torture"), str(SOURCE / "tests" / "contract")]
import acts  # noqa: E402
import body  # noqa: E402
import judge  # noqa: E402
import store  # noqa: E402
import teller  # noqa: E402
import wire_decoder  # noqa: E402
import words  # noqa: E402

LINE = re.compile(r"generated (\d+) accepted (\d+) stored (\d+) doubled (\d+) lost (\d+) explained (\d+)")
MINUTES = "10" if os.environ.get("BL_LONG") else "1"


def torture(*args, timeout=None, **kwargs):
    return subprocess.run([program("branchline"), "torture", *map(str, args)], text=True, capture_output=True,
                          timeout=timeout or float(MINUTES) * 60 + 400, **kwargs)


def numbers(done):
    """What the last line says."""
    found = LINE.fullmatch(done.stdout.splitlines()[-1])
    assert found, done.stdout + done.stderr
    return dict(zip(("generated", "accepted", "stored", "doubled", "lost", "explained"), map(int, found.groups())))


# ---- the proof itself ----


BROKEN = {"delete-on-puback": ("--agent", "branchline-agent_delete-on-puback"),
          "dedupe-by-time": ("--collector", "branchline-collector_dedupe-by-time")}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The proof and, at the same time, the same with builds that are broken on purpose: most is waiting."""
    folder = tmp_path_factory.mktemp("torture")
    seed = ["--seed", chance_seed()]
    started = {"": start("--minutes", MINUTES, "--folder", folder / "scratch", "--keep", *seed)}
    for name, (option, file) in BROKEN.items():
        started[name] = start("--minutes", 1, "--folder", folder / name, option, program(file), *seed)
    done = {}
    try:
        for name, running in started.items():
            out, err = running.communicate(timeout=float(MINUTES) * 60 + 400)
            done[name] = subprocess.CompletedProcess(running.args, running.returncode, out, err)
            print(out, err)
    finally:
        for running in started.values():
            running.kill()  # takes its programs along; one that has ended does not mind
    return folder, done


def start(*args):
    return subprocess.Popen([program("branchline"), "torture", *map(str, args), "--language", "en"], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture
def tortured(runs):
    """A folder that was tortured and kept, and what was said."""
    return runs[0] / "scratch", runs[1][""]


@pytest.fixture
def broken(runs):
    return runs[1]


def test_a_minute_of_torture_loses_nothing_and_doubles_nothing(tortured):
    _, done = tortured
    assert done.returncode == 0, done.stdout + done.stderr
    n = numbers(done)
    assert n["lost"] == n["doubled"] == 0
    assert n["generated"] == n["stored"] + n["explained"] and n["accepted"] > 4000
    acts = re.search(r"done: (\d+) kills -9, (\d+) impairments of links, (\d+) roll-backs of spools, (\d+) of the"
                     r" store, (\d+) spools filled", done.stdout)
    assert all(int(count) > 0 for count in acts.groups()), acts[0]
    assert "seed " in done.stdout.splitlines()[0]


@pytest.fixture
def kept(tortured, tmp_path):
    """A copy of the folder, to break."""
    shutil.copytree(tortured[0], tmp_path / "kept", ignore=shutil.ignore_patterns("*.sock"))
    return tmp_path / "kept"


def change(kept, sql, *args):
    with closing(sqlite3.connect(kept / "state" / "collector" / "telemetry.db")) as db:
        changed = db.execute(sql, args).rowcount
        db.commit()
    return changed


def one_batch(kept, condition):
    with closing(sqlite3.connect(kept / "state" / "collector" / "telemetry.db")) as db:
        return db.execute(f"SELECT id, n_samples, n_events FROM batch WHERE {condition} LIMIT 1").fetchone()


def dropped(kept):
    """Values that the first judgement took for dropped by policy."""
    return json.loads((kept / "report.json").read_text())["explained"]["evicted"]


def given_up(kept):
    """The same, with those that a mean stands for."""
    return dropped(kept) + json.loads((kept / "report.json").read_text())["explained"].get("thinned", 0)


def test_a_kept_folder_is_judged_again_with_the_same_result(tortured, kept):
    done = torture("--judge", kept)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == tortured[1].stdout.splitlines()[-1]


@pytest.mark.parametrize("stream", [1, 3])
def test_a_batch_deleted_from_the_store_is_lost(kept, stream):
    batch, samples, events = one_batch(kept, f"stream = {stream} AND n_samples + n_events > 4")
    assert change(kept, "DELETE FROM batch WHERE id = ?", batch) == 1
    done = torture("--judge", kept, "--language", "en")
    assert done.returncode == 1
    n = numbers(done)
    assert n["lost"] == samples + events and n["doubled"] == 0
    assert "THE PROOF DOES NOT HOLD" in done.stdout
    assert f"{n['lost']} accepted values are neither stored nor in the ledger" in done.stdout


@pytest.mark.parametrize("stream", [1, 3])
def test_a_batch_stored_twice_is_doubled(kept, stream):
    batch, samples, events = one_batch(kept, f"stream = {stream} AND n_samples + n_events > 4")
    with closing(sqlite3.connect(kept / "state" / "collector" / "telemetry.db")) as db:
        names = [row[1] for row in db.execute("PRAGMA table_info(batch)") if row[1] not in ("id", "seq")]
        listed = ", ".join(names)
        db.execute(f"INSERT INTO batch (seq, {listed}) SELECT seq + 1000000, {listed} FROM batch WHERE id = ?", (batch,))
        db.commit()
    done = torture("--judge", kept, "--language", "en")
    assert done.returncode == 1
    assert numbers(done)["doubled"] == samples + events and numbers(done)["lost"] == 0


def test_a_ledger_entry_that_is_deleted_is_a_loss_without_a_name(kept):
    assert change(kept, "DELETE FROM gap WHERE seq_first > 0 AND reason = 2") > 0
    done = torture("--judge", kept, "--language", "en")
    assert done.returncode == 1 and numbers(done)["lost"] == dropped(kept) > 0
    assert "ledger entries, the store holds" in done.stdout


@pytest.mark.parametrize("reason, word", [(4, "damaged on disk"), (5, "clock not trusted"), (8, "overload")])
def test_a_reason_that_nothing_done_can_have_explains_nothing(kept, reason, word):
    """What was dropped by policy, under another name."""
    assert change(kept, "UPDATE gap SET reason = ? WHERE seq_first > 0 AND reason = 2", reason) > 0
    done = torture("--judge", kept, "--language", "en")
    assert done.returncode == 1 and numbers(done)["lost"] == dropped(kept) > 0
    assert f"the ledger names the reason \"{word}\", which nothing" in done.stdout


def test_what_an_agent_with_a_large_spool_dropped_is_lost(kept):
    evidence = json.loads((kept / "evidence.json").read_text())
    (small,) = [claim for claim in evidence["claims"] if claim["small"]]
    small["small"] = False
    (kept / "evidence.json").write_text(json.dumps(evidence))
    done = torture("--judge", kept, "--language", "en")
    assert done.returncode == 1 and numbers(done)["lost"] == given_up(kept) > 0
    assert "the ledger names the reason \"dropped, buffer full\"" in done.stdout


def test_one_batch_of_steps_that_is_named_excuses_no_more_than_it_held(kept):
    """Named as lost with the store that was set back; a batch of steps beside it is gone, too."""
    with closing(sqlite3.connect(kept / "state" / "collector" / "telemetry.db")) as db:
        (device,) = db.execute("SELECT device_id FROM batch WHERE stream = 1 AND n_events > 0 GROUP BY device_id"
                               " HAVING count(*) > 1 LIMIT 1").fetchone()
        (named, _), (gone, events) = db.execute(
            "SELECT id, n_events FROM batch WHERE stream = 1 AND n_events > 4 AND device_id = ? ORDER BY n_events"
            " LIMIT 2", (device,)).fetchall()
        spool, stream, seq = db.execute("SELECT lower(hex(p.uuid)), b.stream, b.seq FROM batch b JOIN spool p ON"
                                        " p.id = b.spool_id WHERE b.id = ?", (named,)).fetchone()
        db.execute("INSERT INTO gap (spool_id, device_id, stream, reason, seq_first, seq_last, begin_boot, begin_ms,"
                   " end_boot, end_ms, samples, known_unix_ms, lsn) SELECT spool_id, device_id, stream, 6, seq, seq, x'',"
                   " 0, x'', 0, n_events, 0, 0 FROM batch WHERE id = ?", (named,))
        db.execute("DELETE FROM batch WHERE id IN (?, ?)", (named, gone))
        db.commit()
    evidence = json.loads((kept / "evidence.json").read_text())
    evidence["set_back"].append(f"{spool}/{stream}/{seq}")
    evidence["ledger_entries"] += 1
    (kept / "evidence.json").write_text(json.dumps(evidence))
    done = torture("--judge", kept, "--language", "en")
    assert done.returncode == 1 and numbers(done)["lost"] == events
    assert "was answered \"ok\" and is not stored" in done.stdout


def test_a_value_that_changed_is_not_of_its_series(kept):
    """One synthetic series takes another one's name."""
    change(kept, "UPDATE series_def SET labels = replace(labels, '\"7\"', '\"107\"') WHERE name = 'synthetic'")
    done = torture("--judge", kept, "--language", "en")
    assert done.returncode == 1 and "series 107 holds" in done.stdout


@pytest.mark.parametrize("name", BROKEN)
def test_a_build_that_is_broken_on_purpose_is_found(broken, name):
    done = broken[name]
    assert done.returncode == 1, done.stdout + done.stderr
    assert numbers(done)["lost"] > 0 and "accepted values are neither stored nor in the ledger" in done.stdout


# ---- its manners ----


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine").write_text("precious")
    done = torture("--minutes", 1, "--folder", tmp_path, "--language", "en", timeout=30)
    assert done.returncode == 3 and "is not empty; nothing was changed" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_a_disk_that_may_not_be_written_is_no_verdict(tmp_path):
    disk = SmallDisk(tmp_path / "small", "400m")
    try:
        subprocess.run(["mount", "-o", "remount,ro", disk.folder], check=True)
        done = torture("--minutes", 1, "--folder", disk.folder, "--language", "en", timeout=30)
        assert done.returncode == 3 and "the proof could not be made: " in done.stderr, done.stdout + done.stderr
        assert "Read-only file system" in done.stderr and "Traceback" not in done.stderr
    finally:
        disk.close()


@pytest.mark.parametrize("args, word", [
    ([], "--minutes"), (["--minutes", "0"], "0.1 to 10080"), (["--minutes", "soon"], "minutes"),
    (["--minutes", "1", "--agents", "1"], "2 to 16"), (["--minutes", "1", "--state", "/x"], "touches no other"),
    (["--minutes", "1", "--language", "fr"], "zh-CN"), (["--minutes", "1", "more"], "more")])
def test_wrong_usage_is_named(args, word):
    done = torture(*args, timeout=30)
    assert done.returncode == 2 and word in done.stderr, done.stderr


def programs_of(folder):
    """Command lines of this machine that name the folder."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                words_of = file.read().split(b"\0")
        except (OSError, ValueError):
            continue
        if any(str(folder).encode() in word for word in words_of) and b"torture" not in b" ".join(words_of[:3]):
            found.append(words_of)
    return found


def begun(folder):
    started = subprocess.Popen([program("branchline"), "torture", "--minutes", "5", "--folder", folder, "--language", "en"],
                               text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = []
    for line in started.stdout:
        said.append(line)
        if "the torture begins" in line:
            return started, said
    pytest.fail("".join(said))


def test_ctrl_c_judges_what_was_done_and_leaves_nothing(tmp_path):
    folder = tmp_path / "t"  # short: sockets lie in it, and an address holds 107 bytes
    started, said = begun(folder)
    assert programs_of(folder)
    os.kill(started.pid, signal.SIGINT)
    said += started.stdout.readlines()
    assert started.wait(120) == 0, "".join(said)
    assert any("asked to stop after" in line for line in said)
    assert LINE.fullmatch(said[-1].strip()), "".join(said)
    assert programs_of(folder) == [] and not folder.exists()


def test_sigterm_stops_at_once_says_so_and_leaves_no_program(tmp_path):
    folder = tmp_path / "t"  # short: sockets lie in it, and an address holds 107 bytes
    started, said = begun(folder)
    os.kill(started.pid, signal.SIGTERM)
    said += started.stdout.readlines()
    assert started.wait(30) == 130, "".join(said)
    assert any("nothing was judged" in line for line in said)
    assert not LINE.fullmatch(said[-1].strip())
    assert programs_of(folder) == []


def test_killed_it_takes_its_programs_along(tmp_path):
    folder = tmp_path / "t"  # short: sockets lie in it, and an address holds 107 bytes
    started, _ = begun(folder)
    assert programs_of(folder)
    started.kill()
    started.wait(10)
    wait_for(lambda: programs_of(folder) == [], 10, "everything has ended")


@pytest.mark.parametrize("dropped, fills", [(0, 0), (8, 1)])
def test_a_spool_counts_as_filled_when_something_was_dropped(monkeypatch, dropped, fills):
    agent = MagicMock()
    agent.name = "a1"
    act = acts.Acts(MagicMock(agents=[agent]), {"a1": MagicMock()}, 1, 60, MagicMock(), MagicMock(), MagicMock())
    monkeypatch.setattr(acts.spool, "counts", lambda _: SimpleNamespace(dropped=0))
    monkeypatch.setattr(act, "_fill_up", lambda *_: dropped)
    act._fill()
    assert act.done["fills"] == fills


def test_an_act_that_was_left_out_comes_again_also_beyond_the_time(monkeypatch):
    act = acts.Acts(MagicMock(), {}, 1, 0.01, MagicMock(soon=False), MagicMock(), MagicMock())
    monkeypatch.setattr(acts, "DEEP_AGAIN_S", 0)
    for name in ("keep_up", "_look", "_take_copies", "_kill", "_bad_link"):
        monkeypatch.setattr(act, name, lambda: None)
    monkeypatch.setattr(act, "_is_able", lambda _: True)
    monkeypatch.setattr(act, "_is_full", lambda: False)
    tries = dict.fromkeys(("backs", "stores", "fills"), 0)

    def third_time(name):
        def one():
            tries[name] += 1
            act.done[name] += tries[name] >= 3
        return one
    for method, name in (("_roll_back", "backs"), ("_set_back", "stores"), ("_fill", "fills")):
        monkeypatch.setattr(act, method, third_time(name))
    act.run()
    assert all(n >= 3 for n in tries.values()) and all(act.done[name] >= 1 for name in tries), (tries, act.done)


def test_whoever_waits_for_a_step_of_a_dead_agent_can_start_it_meanwhile(tmp_path):
    """pause() must come back: its caller is the one who starts the agent again."""
    told = teller.Teller(SimpleNamespace(spool_folder=tmp_path, device="torture-a1"), 1)
    told.start()
    wait_for(lambda: not told.pause() or told.resume(), 10, "a step is under way, in vain")
    assert told.pause() is False and told.told == 0
    told.stop()


# ---- its decoder ----

VECTORS = SOURCE / "tests" / "data" / "wire"


@pytest.mark.parametrize("name", sorted(p.stem for p in VECTORS.glob("batch*.hex")))
def test_its_decoder_reads_what_the_contract_tests_reader_reads(name):
    message = bytes.fromhex("".join((VECTORS / f"{name}.hex").read_text().split()))
    expected = wire_decoder.decode(message)
    reader = wire_decoder.Reader(message[4:])
    header = wire_decoder.batch_header(reader)
    raw = body.inflate(reader.take(reader.left()), header["raw_size"], header["crc32"])
    columns = body.columns(raw, header["event"][0], header["counts"][0])
    # JSON has no infinity: the other reader tells it as a text.
    assert [(c["id"], c["times"], [float(v) if isinstance(v, str) else v for v in c["values"]])
            for c in expected["series"]] == columns
    assert {c["id"]: [None if t is None or t[2] == 1 else tuple(t) for t in c["thin"]]
            for c in expected["series"] if "thin" in c} == body.thinned(raw, columns)
    events = body.events(raw, header["counts"][1])
    assert [(e["boot_ms"], e["type"], e["id"]) for e in expected["events"]] == [e[:3] for e in events]


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: bytes([b[0] ^ 1]) + b[1:], lambda b: b + b"\0"])
def test_a_damaged_body_is_not_read(damage):
    raw = bytes(range(200))
    with pytest.raises(body.Damaged):
        body.inflate(damage(zlib.compress(raw)), len(raw), zlib.crc32(raw))


# ---- its arithmetic ----

DEVICE, SPOOL = "torture-a1", "ab" * 16


def stored(runs=(), gaps=(), seqs=(), names=(), doubled=0, means=()):
    """runs, means: (n, last, boot ms of the first, seq), one series with a value a second; means are thinned."""
    device = store.Device(samples=sum(last - n + 1 for n, last, _, _ in runs), events=len(names), doubled=doubled,
                          thinned=sum(last - n + 1 for n, last, _, _ in means))
    runs = (*runs, *means)
    for n, last, ms, seq in runs:
        device.runs[0].append(store.Run(n, last, ms, ms + 1000 * (last - n), (SPOOL, seq)))
    device.names.update(names)
    batches = {(SPOOL, 3, run[3]) for run in runs} | {(SPOOL, 3, seq) for seq in seqs}
    return store.Stored({DEVICE: device}, batches, [(DEVICE, SPOOL, *gap) for gap in gaps], [])


def gap(stream=3, reason=2, first=0, last=0, begin=0, end=0, samples=0):
    return stream, reason, first, last, "", begin, "", end, samples


CASES = {
    "all is there": dict(accepted=20, runs=[(1000, 1019, 1000, 1)], expect=(20, 20, 20, 0, 0, 0)),
    "the end of a run is lost": dict(accepted=20, runs=[(1000, 1016, 1000, 1)], expect=(20, 20, 17, 0, 3, 0)),
    "a hole in a run": dict(accepted=20, runs=[(1000, 1004, 1000, 1), (1010, 1019, 11000, 2)],
                            expect=(20, 20, 15, 0, 5, 0)),
    "a hole that an entry names": dict(accepted=20, runs=[(1000, 1004, 1000, 1), (1010, 1019, 11000, 3)],
                                       gaps=[gap(first=2, last=2, begin=5000, end=10000, samples=5)], small=True,
                                       expect=(20, 20, 15, 0, 0, 5)),
    "dropped by an agent whose spool is not small": dict(
        accepted=20, runs=[(1000, 1004, 1000, 1), (1010, 1019, 11000, 3)],
        gaps=[gap(first=2, last=2, begin=5000, end=10000, samples=5)], expect=(20, 20, 15, 0, 5, 0)),
    **{f"nothing {done} here, by {form}": dict(
        accepted=20, runs=[(1000, 1004, 1000, 1), (1010, 1019, 11000, 3)],
        gaps=[gap(reason=reason, **where, begin=5000, end=11000, samples=5)], small=True, backs=1,
        expect=(20, 20, 15, 0, 5, 0))
       for reason, done in ((4, "is damaged"), (5, "moves a clock"), (8, "is overloaded"))
       for form, where in (("seq", dict(first=2, last=2)), ("time", {}))},
    **{f"off is a reason for time, not for values that were accepted, by {form}": dict(
        accepted=20, runs=[(1000, 1004, 1000, 1), (90000, 90009, 90000, 3)],
        gaps=[gap(reason=1, **where, begin=5000, end=90000, samples=5)], expect=(20, 20, 15, 0, 5, 0))
       for form, where in (("seq", dict(first=2, last=2)), ("time", {}))},
    "an entry whose count the census knows": dict(
        accepted=20, runs=[(1000, 1004, 1000, 1), (1010, 1019, 11000, 3)], gaps=[gap(first=2, last=2)],
        census={(SPOOL, 3, 2): 5}, small=True, expect=(20, 20, 15, 0, 0, 5)),
    "an entry for a batch that came after all counts nothing": dict(
        accepted=20, runs=[(1000, 1019, 1000, 1)], gaps=[gap(first=1, last=1, samples=20)],
        expect=(20, 20, 20, 0, 0, 0)),
    "an entry that names too little": dict(accepted=20, runs=[(1000, 1004, 1000, 1), (1010, 1019, 11000, 3)],
                                           gaps=[gap(first=2, last=2, samples=4)], small=True, expect=(20, 20, 15, 0, 1, 4)),
    "what memory could not hold was made and never accepted": dict(
        accepted=20, runs=[(1000, 1019, 1000, 1)], gaps=[gap(reason=3, samples=7)], small=True,
        expect=(27, 20, 20, 0, 0, 7)),
    "rolled back is no loss by itself": dict(
        accepted=20, runs=[(1000, 1019, 1000, 1)], gaps=[gap(reason=7, first=5, last=6)], census={(SPOOL, 3, 5): 9},
        backs=1, expect=(20, 20, 20, 0, 0, 0)),
    "rolled back, it says, and nobody did it": dict(
        accepted=20, runs=[(1000, 1019, 1000, 1)], gaps=[gap(reason=7, first=5, last=6)],
        expect=(20, 20, 20, 0, 0, 0), fails=True),
    "lost with a store that was set back": dict(
        accepted=20, runs=[(1000, 1004, 1000, 1), (1010, 1019, 11000, 3)], gaps=[gap(reason=6, first=2, last=2)],
        census={(SPOOL, 3, 2): 5}, set_back={(SPOOL, 3, 2)}, expect=(20, 20, 15, 0, 0, 5)),
    "called lost at the centre, and never was there": dict(
        accepted=20, runs=[(1000, 1004, 1000, 1), (1010, 1019, 11000, 3)], gaps=[gap(reason=6, first=2, last=2)],
        census={(SPOOL, 3, 2): 5}, expect=(20, 20, 15, 0, 5, 0)),
    "vanished is no reason": dict(
        accepted=20, runs=[(1000, 1004, 1000, 1), (1010, 1019, 11000, 3)],
        gaps=[gap(reason=9, first=2, last=2, begin=5000, end=11000, samples=5)], expect=(20, 20, 15, 0, 5, 0)),
    "nor by time": dict(
        accepted=20, runs=[(1000, 1004, 1000, 1), (1010, 1019, 11000, 3)],
        gaps=[gap(reason=9, begin=5000, end=11000, samples=5)], expect=(20, 20, 15, 0, 5, 0)),
    "thinned is explained, and the run goes on": dict(
        accepted=20, runs=[(1000, 1004, 1000, 1), (1010, 1019, 11000, 4)], means=[(1005, 1009, 6000, 5)],
        gaps=[gap(reason=10, first=2, last=3, samples=5)], census={(SPOOL, 3, 2): 4, (SPOOL, 3, 3): 4}, small=True,
        expect=(20, 20, 15, 0, 0, 5)),
    "thinned, and then dropped": dict(
        accepted=20, runs=[(1000, 1004, 1000, 1), (1010, 1019, 11000, 4)],
        gaps=[gap(reason=10, first=2, last=3, samples=5), gap(reason=2, first=5, last=5)],
        census={(SPOOL, 3, 2): 3, (SPOOL, 3, 3): 2, (SPOOL, 3, 5): 0}, small=True, expect=(20, 20, 15, 0, 0, 5)),
    "thinned by an agent whose spool is not small": dict(
        accepted=20, runs=[(1000, 1004, 1000, 1), (1010, 1019, 11000, 4)], means=[(1005, 1009, 6000, 5)],
        gaps=[gap(reason=10, first=2, last=3, samples=5)], expect=(20, 20, 15, 0, 5, 0)),
    "means for more than is named": dict(
        accepted=20, runs=[(1000, 1004, 1000, 1), (1010, 1019, 11000, 4)], means=[(1005, 1009, 6000, 5)],
        gaps=[gap(reason=10, first=2, last=3, samples=4)], small=True, expect=(20, 20, 15, 0, 1, 4)),
    "a hole beside a mean": dict(
        accepted=20, runs=[(1000, 1004, 1000, 1), (1010, 1019, 11000, 7)], means=[(1005, 1007, 6000, 6)],
        gaps=[gap(reason=10, first=2, last=2, samples=3)], small=True, expect=(20, 20, 15, 0, 2, 3)),
    "a second start is no hole": dict(accepted=20, runs=[(1000, 1009, 1000, 1), (90000, 90009, 90000, 2)],
                                      expect=(20, 20, 20, 0, 0, 0)),
    "the first of a start is missing": dict(accepted=20, runs=[(1000, 1009, 1000, 1), (90001, 90009, 91000, 2)],
                                            expect=(20, 20, 19, 0, 1, 0)),
    "a loss that a stranger hides": dict(accepted=15, runs=[(1000, 1004, 1000, 1), (1010, 1019, 11000, 2)],
                                         expect=(15, 15, 15, 0, 5, 0)),
    "more than was accepted": dict(accepted=18, runs=[(1000, 1019, 1000, 1)], expect=(18, 18, 20, 0, 0, 0), fails=True),
    "doubled": dict(accepted=20, runs=[(1000, 1019, 1000, 1), (1000, 1004, 1000, 2)], doubled=5,
                    expect=(20, 20, 20, 5, 0, 0)),
    "a step that is missing": dict(accepted=3, names=[f"{DEVICE}-1", f"{DEVICE}-3"], told=3,
                                   expect=(3, 3, 2, 0, 1, 0)),
    "a step that was in a batch which was dropped": dict(
        accepted=3, names=[f"{DEVICE}-1", f"{DEVICE}-3"], told=3, gaps=[gap(stream=1, first=2, last=2, samples=1)],
        small=True, expect=(3, 3, 2, 0, 0, 1)),
    "more steps missing than were in it, hidden by strangers": dict(
        accepted=4, names=[f"{DEVICE}-1", "x", "y"], told=4, gaps=[gap(stream=1, first=2, last=2, samples=1)],
        small=True, expect=(4, 4, 3, 0, 2, 1)),
    "what waits in the spool is not judged": dict(accepted=30, uncut=4, waiting={(SPOOL, 3, 9): 6, (SPOOL, 3, 1): 20},
                                                  runs=[(1000, 1019, 1000, 1)], expect=(20, 20, 20, 0, 0, 0)),
    "nor what only a rolled-back file had": dict(accepted=30, gone_uncut=4, gone_waiting={(SPOOL, 3, 9): 6},
                                                 runs=[(1000, 1019, 1000, 1)], expect=(20, 20, 20, 0, 0, 0)),
    "the collector's own count": dict(accepted=20, runs=[(1000, 1019, 1000, 1)], unexplained=2,
                                      expect=(20, 20, 20, 0, 0, 0), fails=True),
}


@pytest.mark.parametrize("name", CASES)
def test_the_arithmetic(name):
    case = dict(CASES[name])
    what = stored(case.pop("runs", ()), case.pop("gaps", ()), names=case.pop("names", ()),
                  doubled=case.pop("doubled", 0), means=case.pop("means", ()))
    expect, fails = case.pop("expect"), case.pop("fails", False)
    census, set_back, unexplained = case.pop("census", {}), case.pop("set_back", set()), case.pop("unexplained", 0)
    verdict = judge.judge([judge.Claim(DEVICE, **case)], what, census, set_back, unexplained, len(what.gaps))
    got = tuple(map(int, LINE.fullmatch(verdict.line()).groups()))
    assert got == expect, verdict
    assert verdict.holds() == (not fails and got[3] == got[4] == 0)


# ---- its words ----


def test_every_text_takes_the_same_values_in_both_languages():
    for key, texts in words._TEXTS.items():
        fields = [sorted(re.findall(r"{(\w+)", text)) for text in texts]
        assert fields[0] == fields[1], key
        assert all(ord(c) < 0x2e80 for c in texts[0]), f"{key}: not English"
        assert any(ord(c) >= 0x2e80 for c in texts[1]) or not re.search("[a-z]{3}", texts[0]), f"{key}: not Chinese"


@pytest.mark.parametrize("environment, language", [
    ({"LANG": "zh_CN.UTF-8"}, "zh-CN"), ({"LANG": "de_DE"}, "en"), ({}, "en"),
    ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en")])
def test_the_language_is_the_environments(environment, language):
    assert words.language_of(environment) == language
