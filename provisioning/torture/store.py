"""Reads the collector's telemetry store and decodes every batch in it, by itself.

Synthetic values are f(series, n) = n * 1000 + series, with n growing by one a tick and beginning, at
every start of the agent, at the boot time in ms. So they say themselves what is missing or came twice,
and are kept as runs of n; all others are told apart by series and time. A thinned one stands for a run:
lowest and highest are its ends.
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import body
from rig import read_only

STREAM_EVENTS, STREAM_HOST = 1, 3


@dataclass
class Run:
    """Values n..last of one series that stand in a batch one after the other."""

    n: int
    last: int
    from_ms: int
    to_ms: int
    batch: tuple  # (spool id, seq)


@dataclass
class Device:
    runs: dict = field(default_factory=lambda: defaultdict(list))  # synthetic series -> [Run]
    samples: int = 0  # stored one by one, each as often as it is
    thinned: int = 0  # values that are there as means only
    events: int = 0
    doubled: int = 0  # samples and events that are there already
    names: Counter = field(default_factory=Counter)  # events that carry an id
    wrong: list = field(default_factory=list)  # (series, value)


@dataclass
class Stored:
    devices: dict
    batches: set  # (spool id, stream, seq)
    gaps: list  # rows, see below
    damaged: list  # texts


def _series(db):
    """(spool, entry) -> (device's series, number of a synthetic one or None)"""
    out = {}
    for spool, entry, series, name, labels in db.execute(
            "SELECT d.spool_id, d.entry, s.id, s.name, s.labels FROM dict d JOIN series s ON s.id = d.series_id"):
        number = int(json.loads(labels)["series"]) if name == "synthetic" else None
        out[spool, entry] = series, number
    return out


def _take_thinned(device, number, at, value, thin, batch):
    low, high, count = thin
    (first, own), (last, too) = divmod(int(low), 1000), divmod(int(high), 1000)
    is_whole = last - first + 1 == count  # none of the run was missing: then its mean is known, too
    fits = abs(value - (low + high) / 2) <= 0.01 if is_whole else low <= value <= high
    if own != number or too != number or last - first + 1 < count or not fits:
        device.wrong.append((number, value))
        return
    device.runs[number].append(Run(first, last, at, at, batch))


def _take_synthetic(device, number, times, values, thinned, batch):
    """Splits a column into runs; counts a value that is not this series' own."""
    runs = device.runs[number]
    run = None
    for at, value, thin in zip(times, values, thinned):
        if thin is not None:
            _take_thinned(device, number, at, value, thin, batch)
            run = None
            continue
        n, own = divmod(int(value), 1000) if value is not None else (None, None)
        if own != number:
            device.wrong.append((number, value))
            run = None
        elif run is not None and n == run.last + 1:
            run.last, run.to_ms = n, at
        else:
            run = Run(n, n, at, at, batch)
            runs.append(run)


def _take_batch(device, row, series, others):
    spool, boot, stream, seq = row["spool_id"], row["boot_id"], row["stream"], row["seq"]
    raw = body.inflate(row["body"], row["raw_bytes"], row["crc32"])
    columns = body.columns(raw, row["event_begin_ms"], row["n_samples"])
    all_thinned = body.thinned(raw, columns)
    for entry, times, values in columns:
        known = series.get((spool, entry))
        thinned = all_thinned.get(entry, [None] * len(times))
        several = [thin[2] for thin in thinned if thin is not None]
        device.thinned += sum(several)
        device.samples -= len(several)
        if known is not None and known[1] is not None:
            _take_synthetic(device, known[1], times, values, thinned, (row["uuid"], seq))
            continue
        # A series whose name has not come is told apart by its number.
        which = known[0] if known is not None else (spool, entry)
        for at in times:
            key = which, boot, at
            device.doubled += key in others
            others.add(key)
    for at, kind, name, whole in body.events(raw, row["n_events"]):
        if name:
            device.names[name] += 1
        else:
            key = kind, boot, at, whole
            device.doubled += key in others
            others.add(key)
    device.samples += row["n_samples"]
    device.events += row["n_events"]


def _doubled_runs(device):
    """Values of synthetic series that stand in two runs; sorts the runs."""
    doubled = 0
    for runs in device.runs.values():
        runs.sort(key=lambda run: (run.n, run.last))
        reach = None
        for run in runs:
            if reach is not None and run.n <= reach:
                doubled += min(reach, run.last) - run.n + 1
            reach = run.last if reach is None else max(reach, run.last)
    return doubled


def read(path):
    """Everything, as Stored. The collector may run; then later batches are not in it."""
    stored = Stored({}, set(), [], [])
    with read_only(path, 20) as db:
        db.execute("BEGIN")
        db.row_factory = None
        series = _series(db)
        stored.gaps = db.execute(
            "SELECT d.name, lower(hex(p.uuid)), g.stream, g.reason, g.seq_first, g.seq_last, hex(g.begin_boot),"
            " g.begin_ms, hex(g.end_boot), g.end_ms, g.samples FROM gap g JOIN spool p ON p.id = g.spool_id"
            " JOIN device d ON d.id = g.device_id").fetchall()
        names = ("name", "uuid", "spool_id", "boot_id", "stream", "seq", "raw_bytes", "crc32", "event_begin_ms",
                 "n_samples", "n_events", "body")
        others = defaultdict(set)
        for values in db.execute(
                "SELECT d.name, lower(hex(p.uuid)), b.spool_id, b.boot_id, b.stream, b.seq, b.raw_bytes, b.crc32,"
                " b.event_begin_ms, b.n_samples, b.n_events, b.body FROM batch b JOIN spool p ON p.id = b.spool_id"
                " JOIN device d ON d.id = b.device_id ORDER BY b.id"):
            row = dict(zip(names, values))
            device = stored.devices.setdefault(row["name"], Device())
            stored.batches.add((row["uuid"], row["stream"], row["seq"]))
            try:
                _take_batch(device, row, series, others[row["name"]])
            except body.Damaged as damaged:
                stored.damaged.append(f"{row['name']}: spool {row['uuid']} stream {row['stream']} seq {row['seq']}: {damaged}")
    for device in stored.devices.values():
        device.doubled += _doubled_runs(device)
        device.doubled += sum(n - 1 for n in device.names.values())
    return stored
