"""The arithmetic: what the agents say they accepted, what the store holds, what the ledger names.

Pure: values in, a Verdict out. README.md says what each number means.
"""

from collections import Counter
from dataclasses import dataclass, field

from store import Device

REASONS = {1: "off", 2: "evicted", 3: "disk_full", 4: "damaged", 5: "clock", 6: "lost_at_centre", 7: "rolled_back",
           8: "overload", 9: "vanished", 10: "thinned"}
NEVER_ACCEPTED = (3, 8)  # what memory could not hold: generated, named, but never in a spool
OFF, EVICTED, DISK_FULL, LOST_AT_CENTRE, ROLLED_BACK, THINNED = 1, 2, 3, 6, 7, 10
STREAM_EVENTS = 1
SHOWN = 5  # of one kind and device


@dataclass
class Claim:
    """What one agent says, and what was done to it by hand. A batch is (spool id, stream, seq)."""

    device: str
    accepted: int  # over all lives of its spool
    uncut: int = 0  # of them in no batch when everything was ended
    waiting: dict = field(default_factory=dict)  # batches without a receipt then -> values
    gone_uncut: int = 0  # the same of spool files that were rolled back
    gone_waiting: dict = field(default_factory=dict)
    told: int = 0  # steps 1..told were answered "ok"; their ids are "DEVICE-n"
    small: bool = False  # its spool is: it may be full
    backs: int = 0  # how often its spool was rolled back

    def held(self, batches):
        """Still waiting in the spool."""
        return self.uncut + _values_outside(self.waiting, batches)

    def gone(self, batches):
        """Only in spool files that were rolled back."""
        return self.gone_uncut + _values_outside(self.gone_waiting, batches)

    def allowed(self):
        """Reasons that something done to it can have: every agent is killed; that of a store set back is looked at
        batch by batch."""
        return {OFF, LOST_AT_CENTRE} | ({EVICTED, DISK_FULL, THINNED} if self.small else set()) | (
            {ROLLED_BACK} if self.backs else set())


def _values_outside(values, batches):
    return sum(n for batch, n in values.items() if batch not in batches)


@dataclass
class Verdict:
    generated: int = 0
    accepted: int = 0
    stored: int = 0
    doubled: int = 0
    lost: int = 0
    explained: int = 0
    more: int = 0  # stored, and accepted by nobody
    held: int = 0  # accepted after everything had its receipt: not counted
    gone: int = 0
    unexplained: int = 0  # by the collector's own count
    reasons: Counter = field(default_factory=Counter)
    complaints: list = field(default_factory=list)  # (key of words, values)

    def line(self):
        return (f"generated {self.generated} accepted {self.accepted} stored {self.stored} doubled {self.doubled}"
                f" lost {self.lost} explained {self.explained}")

    def holds(self):
        return not self.complaints and self.lost == 0 and self.doubled == 0

    def complain(self, key, **values):
        self.complaints.append((key, values))


def _named_by_seq(gaps, batches, census):
    """{(spool, stream, seq): (reason, values)} of what the ledger names and the store does not hold."""
    named = {}
    for _, spool, stream, reason, first, last, *_, samples in gaps:
        if first == 0:
            continue
        missing = [seq for seq in range(first, last + 1) if (spool, stream, seq) not in batches]
        known = [census.get((spool, stream, seq)) for seq in missing]
        # Who looked knows each batch; else the entry's own sum, which goes with its last one. Of what was thinned only
        # the entry knows how many are not there one by one.
        if missing and samples > 0 and (None in known or reason == THINNED):
            known = [0] * (len(missing) - 1) + [samples]
        for seq, values in zip(missing, known):
            named[spool, stream, seq] = reason, values or 0
    return named


def _believed(named, set_back, allowed):
    """What explains: only what an act can have caused. Not what was cut again under another id: it is there, or
    named there. Nor that the centre lost what no store that was set back ever held: then the agent gave up what had
    not arrived."""
    never_here = {batch for batch, (reason, _) in named.items() if reason == LOST_AT_CENTRE and batch not in set_back}
    kept = {batch: value for batch, value in named.items()
            if value[0] in allowed & {EVICTED, LOST_AT_CENTRE, THINNED} and batch not in never_here}
    return kept, len(never_here)


def _covered(times, named, before, after):
    """Whether an entry names what is missing between two runs of values."""
    spool, seq = before.batch
    other, later = after.batch
    if spool == other and any((spool, 3, between) in named for between in range(seq + 1, later)):
        return True
    return any(stream == 3 and begin_ms <= after.from_ms and end_ms >= before.to_ms
               for _, _, stream, _, _, _, _, begin_ms, _, end_ms, _ in times)


def _holes(device, times, named):
    """[(series, run before, run after, values missing)]: no entry names them."""
    found = []
    for series, runs in device.runs.items():
        before = None
        for run in runs:
            # The first value of a start of the agent has n = its boot time: nothing was before it.
            begins = run.n == run.from_ms
            if before is not None and run.n > before.last + 1 and not begins:
                same_start = run.n - before.last - 1 <= (run.from_ms - before.to_ms) // 500 + 1
                if not _covered(times, named, before, run):
                    found.append((series, before, run, run.n - before.last - 1 if same_start else 1))
            if before is None or run.last > before.last:
                before = run
    return found


def _judge_device(verdict, claim, device, times, named):
    """Adds one device's holes, wrong values and events; returns how many values its holes miss. times: entries
    whose time explains."""
    for series, value in device.wrong[:SHOWN]:
        verdict.complain("is_wrong", device=claim.device, series=series, value=value)
    holes = _holes(device, times, named)
    seen = set()
    for _, before, after, _ in holes:
        key = before.last, after.n
        if key not in seen and len(seen) < SHOWN:
            verdict.complain("is_hole", device=claim.device, after=before.last, before=after.n,
                             from_ms=before.to_ms, to_ms=after.from_ms)
        seen.add(key)
    names = (f"{claim.device}-{n}" for n in range(1, claim.told + 1))
    missing = [name for name in names if name not in device.names]
    # Which steps were in a batch that is named is not known; but how many there can have been.
    excused = sum(values for (_, stream, _), (_, values) in named.items() if stream == STREAM_EVENTS)
    lost = max(len(missing) - excused, 0)
    for name in missing[:min(lost, SHOWN)]:
        verdict.complain("is_event", device=claim.device, name=name)
    return sum(hole[3] for hole in holes) + lost


def judge(claims, stored, census, set_back, unexplained, ledger_entries):
    """claims: of every agent; stored: store.Stored; census: spool.Census.values; set_back: Acts.set_back;
    unexplained: the collector's own count; ledger_entries: how many entries its API told of."""
    verdict = Verdict(unexplained=unexplained)
    for claim in claims:
        device = stored.devices.get(claim.device, Device())
        gaps = [gap for gap in stored.gaps if gap[0] == claim.device]
        allowed = claim.allowed()
        all_named = _named_by_seq(gaps, stored.batches, census)
        named, never_here = _believed(all_named, set_back, allowed)
        if never_here:
            verdict.complain("is_never_here", device=claim.device, n=never_here)
        for reason in sorted({gap[3] for gap in gaps if gap[4] == 0} | {reason for reason, _ in all_named.values()}):
            if reason not in allowed:
                verdict.complain("is_reason", device=claim.device, reason=REASONS.get(reason, reason))
        times = [gap for gap in gaps if gap[3] in allowed]
        reasons = Counter()
        for gap in times:
            if gap[4] == 0 and gap[3] in NEVER_ACCEPTED:
                reasons[gap[3]] += gap[10]
        never = reasons.total()
        for reason, values in named.values():
            reasons[reason] += values
        explained = reasons.total()
        # A mean stands for no more than was named.
        if device.thinned > reasons[THINNED]:
            verdict.complain("is_thinned", device=claim.device, n=device.thinned - reasons[THINNED])
        held, gone = claim.held(stored.batches), claim.gone(stored.batches)
        accepted = claim.accepted - held - gone
        stored_once = device.samples + device.events - device.doubled
        missing = accepted - stored_once - (explained - never)
        holes = _judge_device(verdict, claim, device, times, named)
        verdict.generated += accepted + never
        verdict.accepted += accepted
        verdict.stored += stored_once
        verdict.doubled += device.doubled
        verdict.lost += max(missing, holes, 0)
        verdict.more += max(-missing, 0)
        verdict.explained += explained
        verdict.held += held
        verdict.gone += gone
        verdict.reasons.update({REASONS[r]: n for r, n in reasons.items() if n})
    for key in ("lost", "doubled", "more", "unexplained"):
        if getattr(verdict, key):
            verdict.complaints.insert(0, (f"is_{key}", {"n": getattr(verdict, key)}))
    for what in stored.damaged[:SHOWN]:
        verdict.complain("is_damaged", what=what)
    if ledger_entries != len(stored.gaps):
        verdict.complain("is_ledger", api=ledger_entries, store=len(stored.gaps))
    return verdict
