"""The judge of delivery: reads the collector's store itself and checks every synthetic sample.

The agent's synthetic sampler puts f(series, n) = n * 1000 + series with n growing by one a tick, so
no record of what was sent is needed: what is missing or came twice shows in the values. Reported
steps (support/steps.py) carry their number and f(n), and were accepted when the agent said "ok". Bodies
are decoded by the independent reader in tests/contract, not by our own codec.

Every judge ends in the same arithmetic, an Account.
"""

import sqlite3
import sys
from collections import Counter, defaultdict
from dataclasses import astuple, dataclass
from pathlib import Path

from .steps import EventLoad
from .wait import wait_for

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "contract"))
import wire_decoder  # noqa: E402

QUIET = """
samplers:
  cpu: { enabled: false }
  memory: { enabled: false }
  disk: { enabled: false }
  network: { enabled: false }
  pressure: { enabled: false }
  tcp: { enabled: false }
  time: { enabled: false }
  sensors: { enabled: false }
  kernel: { enabled: false }
  uptime: { enabled: false }
  self: { enabled: false }
"""


def load(series: int) -> str:
    """Configuration: nothing but `series` synthetic series, every second."""
    return "interval: 1s" + QUIET + f"  synthetic: {{ enabled: true, series: {series} }}\n"


def silence() -> str:
    """Configuration: no sample at all, so that what was accepted can arrive in full."""
    return "interval: 1s" + QUIET


def _rows(path, sql, *args):
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(sql, args).fetchall()
    finally:
        connection.close()


# Reasons of the ledger (enum bl_gap_reason): what was accepted before it went, and what never was.
OFF, AFTER_ACCEPTANCE, BEFORE_ACCEPTANCE = 1, (2, 4, 6, 7, 10), (3, 8)


@dataclass(frozen=True)
class Account:
    """Values of all kinds, one by one. generated: those that can be counted, which leaves out what was in
    the memory of a killed agent (at most one tick; its time lies in an entry "off"). accepted: committed
    in the spool. doubled: stored more than once. lost: accepted, and neither stored nor in the ledger.
    explained: in the ledger. Where nothing is lost, every accepted value is stored or explained.
    """

    generated: int = 0
    accepted: int = 0
    stored: int = 0
    doubled: int = 0
    lost: int = 0
    explained: int = 0

    def __add__(self, other):
        return Account(*(a + b for a, b in zip(astuple(self), astuple(other))))

    def line(self) -> str:
        return (f"generated {self.generated} accepted {self.accepted} stored {self.stored}"
                f" doubled {self.doubled} lost {self.lost} explained {self.explained}")


def is_mean(thin) -> bool:
    """A thinned value, by what wire_decoder says of it: [lowest, highest, how many]."""
    return thin is not None and thin[2] > 1


class Store:
    """The collector's telemetry.db, read only."""

    def __init__(self, org):
        self.path = org.folder / "collector" / "telemetry.db"

    def explained(self, device: str, stream: int, reasons) -> int:
        """Values that the ledger says went for these reasons."""
        return _rows(self.path, "SELECT coalesce(sum(g.samples), 0) FROM gap g JOIN device d ON d.id ="
                     f" g.device_id WHERE d.name = ? AND g.stream = ? AND g.reason IN ({','.join(map(str, reasons))})",
                     device, stream)[0][0]

    def reasons(self, device: str) -> set:
        """Of all entries in the ledger, of any stream."""
        return {reason for (reason,) in _rows(self.path, "SELECT DISTINCT g.reason FROM gap g JOIN device d ON d.id ="
                                              " g.device_id WHERE d.name = ?", device)}

    def events(self, device: str):
        """Every stored event of the step stream, decoded, each as often as it is there."""
        for begin, end, raw, crc, n, body in _rows(
                self.path, "SELECT b.event_begin_ms, b.event_end_ms, b.raw_bytes, b.crc32, b.n_events, b.body"
                " FROM batch b JOIN device d ON d.id = b.device_id WHERE d.name = ? AND b.stream = 1"
                " AND b.n_events > 0", device):
            found = dict(wire_decoder.sections(wire_decoder.Reader(wire_decoder.inflate(body, raw, crc))))
            yield from wire_decoder.read_events(found[3], n, begin, end)

    def reports(self, device: str) -> Counter:
        """How often each report of an EventLoad is stored: n -> times. Its value must be f(n)."""
        out = Counter()
        for event in self.events(device):
            attributes = dict(event["attrs"])
            if attributes.get("process") == "load":
                number = int(attributes["n"])
                assert attributes["v"] == EventLoad.value(number), event
                out[number] += 1
        return out

    def samples(self) -> int:
        return _rows(self.path, "SELECT samples FROM total")[0][0]

    def epoch(self) -> bytes:
        """Another one after it was replaced, or seen to be an older copy."""
        return _rows(self.path, "SELECT value FROM meta WHERE key = 'epoch'")[0][0]

    def values(self) -> int:
        """Samples and events."""
        return _rows(self.path, "SELECT samples + events FROM total")[0][0]

    def samples_of(self, spool_hex: str) -> int:
        """Stored one by one: means stand for values that the ledger names."""
        where = "JOIN spool s ON s.id = b.spool_id WHERE hex(s.uuid) = upper(?)"
        stored = _rows(self.path, f"SELECT coalesce(sum(b.n_samples), 0) FROM batch b {where}", spool_hex)[0][0]
        return stored - sum(is_mean(thin) for _, _, column in self._read(f"{where} AND b.kind = 1", spool_hex)
                            for thin in column.get("thin", ()))

    def synthetic(self, device: str, means: bool = False):
        """series -> [(boot, boot_ms, value)] in the order of arrival, of what stands for itself; means: of what does
        not, with [lowest, highest, count]."""
        names = {(spool, entry): labels for spool, entry, labels in _rows(
            self.path, "SELECT d.spool_id, d.entry, s.labels FROM dict d"
            " JOIN series s ON s.id = d.series_id WHERE s.name = 'synthetic'")}
        out = defaultdict(list)
        for spool, boot, column in self._read(
                "JOIN device d ON d.id = b.device_id WHERE d.name = ? AND b.stream = 3", device):
            labels = names.get((spool, column["id"]))
            if labels is None:
                continue
            thinned = column.get("thin", [None] * len(column["times"]))
            out[int("".join(c for c in labels if c.isdigit()))] += [
                (boot, t, v, *([thin] if means else []))
                for t, v, thin in zip(column["times"], column["values"], thinned) if is_mean(thin) == means]
        return out

    def _read(self, where, *args):
        """(spool, boot, column) of every column in the batches b that are meant."""
        for spool, boot, raw, crc, dictionary, begin, end, *counts, body in _rows(
                self.path, "SELECT b.spool_id, b.boot_id, b.raw_bytes, b.crc32, b.dict_version,"
                " b.event_begin_ms, b.event_end_ms, b.n_samples, b.n_events, b.n_gaps, b.body"
                f" FROM batch b {where} AND b.n_samples > 0 ORDER BY b.id", *args):
            header = {"event": [begin, end], "counts": counts, "dict_version": dictionary}
            for column in self._columns(wire_decoder.inflate(body, raw, crc), header):
                yield spool, boot, column

    @staticmethod
    def _columns(raw, header):
        found = dict(wire_decoder.sections(wire_decoder.Reader(raw)))
        shared = wire_decoder.read_times(found[1], header) if 1 in found else []
        columns = wire_decoder.read_columns(found[2], shared, header)
        if 5 in found:
            wire_decoder.read_thin(found[5], columns, header["counts"][0])
        return columns

    def off_gaps(self, device: str):
        """[(begin_ms, end_ms)] of the host stream's ledger entries "off"."""
        return _rows(self.path, "SELECT g.begin_ms, g.end_ms FROM gap g JOIN device d"
                     " ON d.id = g.device_id WHERE d.name = ? AND g.stream = 3 AND g.reason = 1"
                     " ORDER BY g.begin_ms", device)

    def repeated_batches(self) -> int:
        return _rows(self.path, "SELECT count(*) FROM (SELECT 1 FROM batch"
                     " GROUP BY spool_id, stream, seq HAVING count(*) > 1)")[0][0]


class Spool:
    """The agent's spool file, read only; the agent may run. Waits until the file has its tables."""

    def __init__(self, agent):
        self.path = None

        def made():
            try:
                self.path = agent.spool()
                return _rows(self.path, "SELECT 1 FROM state")
            except (AssertionError, sqlite3.OperationalError):
                return False
        wait_for(made, 20, "the spool is made", agent.process.log)

    def accepted(self) -> int:
        """Samples accepted since the file was made, counted in the transactions that accepted them."""
        return _rows(self.path, "SELECT samples FROM state")[0][0]

    def cut(self) -> int:
        """The same without those that no batch holds yet."""
        return _rows(self.path, "SELECT samples - (SELECT sum(open_samples) FROM stream)"
                     " FROM state")[0][0]

    def id(self) -> str:
        return _rows(self.path, "SELECT hex(spool) FROM state")[0][0].lower()

    def waiting(self) -> int:
        """Batches with samples or events in them that have no receipt."""
        return _rows(self.path, "SELECT count(*) FROM batch"
                     " WHERE receipted_unix_ms IS NULL AND (samples > 0 OR events > 0)")[0][0]


def quieten(agent, base: str):
    """Restarts the agent without synthetic load; the start cuts what was open."""
    agent.stop()
    agent.config.write_text(base + silence())
    agent.start()


def receipted(org, agent, base: str):
    """Quietens the agent and waits until every batch has its receipt."""
    quieten(agent, base)
    spool = Spool(agent)
    wait_for(lambda: spool.waiting() == 0, 90, "every batch has its receipt",
             lambda: agent.process.log() + org.collector.log())


def arrived_in_full(org, agent, timeout_s: float = 90.0):
    """Waits until as many samples are stored of this spool as it ever accepted (the agent was quietened).

    The agent's own two series go on; they wait in the open span. More stored than accepted, or less,
    never becomes equal: that is the test.
    """
    spool, store = Spool(agent), Store(org)
    wait_for(lambda: spool.waiting() == 0 and store.samples_of(spool.id()) == spool.cut(), timeout_s,
             "as many samples are stored as were accepted", lambda:
             f"accepted and cut {spool.cut()}, stored {store.samples_of(spool.id())}, batches"
             f" waiting {spool.waiting()}\n{agent.process.log()}{org.collector.log()}")
    assert store.repeated_batches() == 0


def arrive_in_full(org, agent, base: str, timeout_s: float = 90.0):
    receipted(org, agent, base)
    arrived_in_full(org, agent, timeout_s)


def check_mean(series, boot, boot_ms, value, thin):
    """Values are n * 1000 + series: lowest and highest are the ends of the run that a mean stands for."""
    low, high, count = thin
    (first, own), (last, too) = divmod(int(low), 1000), divmod(int(high), 1000)
    assert own == too == series and count <= last - first + 1, f"series {series}: a mean of {thin}"
    is_whole = count == last - first + 1
    assert abs(value - (low + high) / 2) <= 0.01 if is_whole else low <= value <= high, (
        f"series {series}: {value} is not the mean of {thin}")
    return first, last, boot_ms


def check_values(store: Store, device: str) -> int:
    """Every value is f(series, n) of its own series and none came twice; runs have no holes.

    Returns how many samples were checked. A hole inside a run of ticks is a lost sample; between
    runs (the agent was off) a ledger entry "off" must cover it and must not claim what exists.
    """
    checked = 0
    by_series, means = store.synthetic(device), store.synthetic(device, means=True)
    gaps = store.off_gaps(device)
    for series in by_series.keys() | means.keys():
        numbers = []  # (first, last, boot time) of what a value stands for
        for _, boot_ms, value in by_series[series]:
            n, own = divmod(int(value), 1000)
            assert own == series, f"series {series} holds {value}, a value of series {own}"
            numbers.append((n, n, boot_ms))
        numbers += [check_mean(series, *mean) for mean in means[series]]
        numbers.sort()
        twice = [n for (_, last, _), (n, _, _) in zip(numbers, numbers[1:]) if n <= last]
        assert not twice, f"series {series}: n = {twice[:5]} came twice"
        for (_, n, at), (following, _, later) in zip(numbers, numbers[1:]):
            # What a mean stands for ends at its time and begins up to an hour before.
            if following == n + 1 and not (later - at > (3_660_000 if means[series] else 60_000)):
                continue
            assert any(at <= begin and end <= later for begin, end in gaps), (
                f"series {series}: after n = {n} (boot {at} ms) comes n = {following}"
                f" (boot {later} ms) and no entry \"off\" lies between: {gaps}")
        checked += len(numbers)
    assert checked, f"no synthetic sample of {device} is in the store"
    return checked


def _at_rest(store: Store, spool: Spool):
    """(cut, stored) of one moment: all that is cut has its receipt, and nothing was cut while both were read. The
    agent's own series are cut again and again, and what was just cut is stored a little later."""
    def both():
        cut = spool.cut()
        receipted = spool.waiting() == 0
        stored = store.samples_of(spool.id())
        return receipted and spool.cut() == cut and (cut, stored)
    return wait_for(both, 90, "every batch has its receipt")


def account_of_samples(store: Store, agent) -> Account:
    """The host stream of an agent after arrive_in_full: its spool's count against the store's values."""
    accepted, stored = _at_rest(store, Spool(agent))
    doubled = sum(sum(c - 1 for c in Counter(int(value) for _, _, value in got).values())
                  for got in store.synthetic(agent.device).values())
    gone = store.explained(agent.device, 3, AFTER_ACCEPTANCE)
    never = store.explained(agent.device, 3, BEFORE_ACCEPTANCE)
    return Account(accepted + never, accepted, stored - doubled, doubled, accepted - (stored - doubled) - gone,
                   gone + never)


def account_of_reports(store: Store, agent, load: EventLoad) -> Account:
    """An EventLoad that has finished, after arrive_in_full."""
    found = store.reports(agent.device)
    gone = store.explained(agent.device, 1, AFTER_ACCEPTANCE)
    strangers = [n for n in found if not 1 <= n <= load.generated]
    assert not strangers, f"{agent.device}: reports {strangers[:5]} were never made"
    missing = [n for n in range(1, load.accepted + 1) if n not in found]
    if len(missing) > gone:
        print(f"{agent.device}: accepted and not stored: reports {missing[:10]}")
    return Account(load.generated, load.accepted, len(found), sum(found.values()) - len(found),
                   len(missing) - gone, gone)


def nothing_but_off(org, agents):
    """Nothing happened that would have to be explained: agents were off, and no more. `agents`: each with the
    id that its spool had at the beginning."""
    for agent, spool in agents:
        reasons = Store(org).reasons(agent.device)
        assert reasons <= {OFF}, f"{agent.device}: the ledger has the reasons {sorted(reasons)}"
        assert Spool(agent).id() == spool, f"{agent.device} has another spool"
    aside = [file for folder in (org.folder, *(agent.folder for agent, _ in agents))
             for pattern in ("*.aside-*", "*.damaged-*") for file in folder.rglob(pattern)]
    assert not aside, f"taken for damaged: {aside}"
