"""The judges of delivery (support/oracle.py, and the one of `branchline torture`) meet thinned values: a mean
stands for a run of n, whose ends are its lowest and its highest. The store is made by hand, with the real schema.
"""

import sqlite3
import sys
import zlib
from types import SimpleNamespace

import pytest

from support import oracle
from support.builds import SOURCE

sys.path.insert(0, str(SOURCE / "provisioning" / "torture"))
import store as torture_store  # noqa: E402

SPOOL, BOOT, OWN = b"\x11" * 16, b"\x22" * 16, 2


# Bodies of one series with a value every five minutes, as shared/codec writes what the table below says.
BODIES = {
    "three windows": "020f0105011ff82c382a46bf05a6065303051801011573c1011c1551c3025383a9011c15f5fb025383a901",
    "a value that stands for itself": "02110185011ff82c382a46bf054c0da6c6c803051b0101188d960bce41071c1551c3025383a9011c15f5fb025383a901",
    "not the mean": "020f0105011ff82c382a46bf85e4c63303051801011573c1011c1551c3025383a9011c15f5fb025383a901",
    "the lowest of another series": "020f0105011ff82c382a46bf05a6065303051801011573c1011c1551c312537ba9011c15f5fb025383a901",
    "more than there can be between its ends": "020f0105011ff82c382a46bf05a60653030518010115ac173e1c1551c3025383a9011c15f5fb025383a901",
    "what the next one has, too": "020f0105011ff82c382a2ec305290653030519010116ac7b70001c1551c3025383a9011c15ddff02d682a901",
    "a hole between two": "020f0105011ff82c382a46bf052387140305190101166c17bc051c1551c302d0036b011c15f5fb025383a901",
}


def value(n, own=OWN):
    return n * 1000 + own


def made(folder, body, n_samples):
    folder = folder / "collector"
    folder.mkdir()
    db = sqlite3.connect(folder / "telemetry.db")
    db.executescript("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY;")
    db.create_function("row_sum", -1, lambda *_: 0)
    for step in sorted((SOURCE / "collector" / "sql" / "telemetry").glob("*.sql")):
        db.executescript(step.read_text())
    db.execute("INSERT INTO device (id, name) VALUES (1, 'd')")
    db.execute("INSERT INTO boot (id, uuid) VALUES (1, ?)", (BOOT,))
    db.execute("INSERT INTO spool (id, uuid, device_id, made_unix_ms) VALUES (1, ?, 1, 0)", (SPOOL,))
    db.execute("INSERT INTO series_def (id, name, labels, unit, kind, stream, interval_ms)"
               f" VALUES (1, 'synthetic', '{{\"series\":\"{OWN}\"}}', '1', 1, 3, 10000)")
    db.execute("INSERT INTO series_row (id, device_id, def_id) VALUES (1, 1, 1)")
    db.execute("INSERT INTO dict_run (spool_id, entry, series_id, n) VALUES (1, 1, 1, 1)")
    row = dict(spool_id=1, stream=3, seq=9, crc32=zlib.crc32(body), device_id=1, boot_id=1, kind=1, event_begin_ms=0,
               event_end_ms=300000 * (n_samples - 1), collect_begin_ms=0, collect_end_ms=300000 * n_samples, dict_version=1,
               n_samples=n_samples, n_events=0, n_gaps=0, raw_bytes=len(body), supersedes_first=1, supersedes_last=8,
               arrived_unix_ms=0, lsn=1, body=body)
    db.execute(f"INSERT INTO batch ({','.join(row)}) VALUES ({','.join('?' * len(row))})", tuple(row.values()))
    db.commit()
    db.close()
    return folder / "telemetry.db"


def windows(*spans):
    """Of runs (first n, last n): what their means look like."""
    lows, highs = [value(a) for a, _ in spans], [value(b) for _, b in spans]
    return [[(low + high) // 2 for low, high in zip(lows, highs)], [b - a + 1 for a, b in spans], lows, highs]


FINE = windows((100, 129), (130, 159), (160, 189))


@pytest.mark.parametrize("what, fine, change", [
    ("three windows", True, lambda w: None),
    ("a value that stands for itself", True, lambda w: [w[0].append(value(190)), w[1].append(1)]),
    ("not the mean", False, lambda w: w[0].__setitem__(1, w[0][1] + 500)),
    ("the lowest of another series", False, lambda w: w[2].__setitem__(1, w[2][1] + 1)),
    ("more than there can be between its ends", False, lambda w: w[1].__setitem__(0, 31)),
    ("what the next one has, too", False, lambda w: [w[3].__setitem__(0, value(131)), w[1].__setitem__(0, 32),
                                                     w[0].__setitem__(0, (value(100) + value(131)) // 2)]),
    ("a hole between two", False, lambda w: [w[2].__setitem__(1, value(132)), w[1].__setitem__(1, 28),
                                             w[0].__setitem__(1, (value(132) + value(159)) // 2)]),
])
def test_both_judges_know_what_a_mean_stands_for(tmp_path, what, fine, change):
    parts = [list(part) for part in FINE]
    change(parts)
    path = made(tmp_path, bytes.fromhex(BODIES[what]), len(parts[0]))
    found = oracle.Store(SimpleNamespace(folder=tmp_path))
    if fine:
        assert oracle.check_values(found, "d") == len(parts[0])
    else:
        with pytest.raises(AssertionError):
            oracle.check_values(found, "d")
    itself = sum(count == 1 for count in parts[1])
    assert found.samples_of(SPOOL.hex()) == itself, "a mean is no value that was accepted"

    device = torture_store.read(path).devices["d"]
    spans = sorted((run.n, run.last) for run in device.runs[OWN])
    has_hole = any(a > b + 1 for (_, b), (a, _) in zip(spans, spans[1:]))
    assert fine == (not device.wrong and device.doubled == 0 and not has_hole), (what, device)
    assert (device.samples, device.thinned) == (itself, sum(count for count in parts[1] if count > 1))
