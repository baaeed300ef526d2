"""A second reader of the wire, written from shared/WIRE.md alone, for tests only.

Slow, plain, standard library only.  decode(bytes) gives a dict of plain values;
Corrupt and Newer say why a message is refused.  It shares no code with
shared/codec, so that what both read the same way is what the page says.
"""

import math
import struct
import zlib

MASK = (1 << 64) - 1
MESSAGE_MAX = 262144
RAW_MAX = 4194304
MS_MAX = 1 << 53


class Corrupt(Exception):
    """The message is refused as a whole."""


class Newer(Exception):
    """Written by a later format."""


def need(ok, what):
    if not ok:
        raise Corrupt(what)


def signed(v):
    """The two's complement reading of a number modulo 2^64."""
    v &= MASK
    return v - (1 << 64) if v >> 63 else v


def unzigzag(u):
    return (u >> 1) ^ -(u & 1)


class Reader:
    def __init__(self, data):
        self.data = bytes(data)
        self.at = 0

    def left(self):
        return len(self.data) - self.at

    def take(self, n):
        need(n <= self.left(), "ends early")
        self.at += n
        return self.data[self.at - n : self.at]

    def u8(self):
        return self.take(1)[0]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def u64(self):
        return struct.unpack("<Q", self.take(8))[0]

    def f64(self):
        return struct.unpack("<d", self.take(8))[0]

    def varint(self, most=MASK):
        value, shift = 0, 0
        while True:
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            need(shift < 70, "varint too long")
        need(value <= MASK and (byte != 0 or shift == 0), "varint too long")
        need(value <= most, "number too large")
        return value

    def zigzag(self):
        return unzigzag(self.varint())

    def ms(self):
        v = self.zigzag()
        need(-MS_MAX <= v <= MS_MAX, "time out of bounds")
        return v

    def id(self):
        return self.take(16).hex()

    def text(self, least, most):
        raw = self.take(self.varint(most))
        need(len(raw) >= least, "text too short")
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as e:
            raise Corrupt("text is not UTF-8") from e
        need("\0" not in text, "text with U+0000")
        return text

    def ranges(self):
        out, last = [], 0
        for i in range(self.varint(64)):
            first = self.varint() + (last + 2 if i else 0)
            last = first + self.varint()
            need(first > 0 and last <= MASK, "range out of bounds")
            out.append([first, last])
        return out

    def done(self):
        need(self.left() == 0, "bytes left over")


# ---- sections ----


def sections(r):
    while r.left():
        tag = r.varint()
        need(tag != 0, "section with tag 0")
        yield tag, Reader(r.take(r.varint(RAW_MAX)))


def read_sections(r, known):
    """known: tag -> (name, required, per stream, function).  Gives a dict by name."""
    out, seen, unknown = {}, set(), 0
    for tag, content in sections(r):
        if tag not in known:
            unknown += 1
            continue
        name, _, per_stream, get = known[tag]
        stream = content.u8() if per_stream else 0
        need(not per_stream or 1 <= stream <= 3, "no such stream")
        need((tag, stream) not in seen, name + " comes twice")
        seen.add((tag, stream))
        value = get(content)
        content.done()
        if per_stream:
            out.setdefault(name, {})[str(stream)] = value
        else:
            out[name] = value
    for tag, (name, required, per_stream, _) in known.items():
        for stream in (1, 2, 3) if per_stream else (0,):
            need(not required or (tag, stream) in seen, name + " is missing")
    out["unknown_sections"] = unknown
    return out


def flat(d, *names):
    for name in names:
        d.update(d.pop(name, {}))
    return d


# ---- the small messages ----


def hello(r):
    def stream(c):
        s = {"next_seq": c.varint(), "lowest_held": c.varint(), "held": c.ranges()}
        need(0 < s["lowest_held"] <= s["next_seq"], "lowest held out of bounds")
        need(not s["held"] or s["held"][-1][1] < s["next_seq"], "held beyond next seq")
        return s

    d = read_sections(r, {
        1: ("who", True, False, lambda c: {"nonce": c.u32(), "device": c.text(0, 63),
            "spool": c.id(), "predecessor": c.id(), "boot": c.id()}),
        2: ("clocks", True, False, lambda c: {"boot_ms": c.ms(), "unix_ms": c.ms()}),
        3: ("versions", True, False, lambda c: {"dict_version": c.varint(65536),
            "clock_version": c.varint(65536), "software": c.text(0, 31),
            "config_hash": c.text(0, 64)}),
        4: ("streams", True, True, stream),
    })
    return flat(d, "who", "clocks", "versions")


def verdict(c):
    v = {"nonce": c.u32(), "verdict": c.u8()}
    need(v["verdict"] <= 2, "no such verdict")
    return v


def receipt(r, is_answer=False):
    known = {
        1: ("state", True, False, lambda c: {"spool": c.id(), "epoch": c.id(),
            "server_unix_ms": c.ms(), "credit": c.varint(0xFFFFFFFF),
            "dict_version": c.varint(65536), "clock_version": c.varint(65536)}),
        3: ("streams", True, True, lambda c: {"contiguous": c.varint(), "beyond": c.ranges(),
            "aside": c.ranges()}),
        4: ("rival", False, False, lambda c: c.varint(0xFFFFFFFF)),
    }
    if is_answer:
        known[2] = ("answer", True, False, verdict)
    return flat(read_sections(r, known), "state", "answer")


def question(r):
    def needed(c):
        v = c.ranges()
        need(v, "empty ranges")
        return v

    def version(c):
        v = c.varint(65536)
        need(v > 0, "id 0")
        return v

    d = read_sections(r, {
        1: ("spool", True, False, lambda c: c.id()),
        2: ("need", False, True, needed),
        3: ("dict_from", False, False, version),
        4: ("clock_from", False, False, version),
    })
    return {"need": {}, "dict_from": None, "clock_from": None, **d}


def gone_range(c):
    stream, reason, first = c.u8(), c.u8(), c.varint()
    last = first + c.varint()
    need(1 <= stream <= 3 and 1 <= reason <= 10 and first > 0 and last <= MASK, "gone range")
    return {"stream": stream, "reason": reason, "first": first, "last": last}


def gone(r):
    return read_sections(r, {
        1: ("spool", True, False, lambda c: c.id()),
        2: ("gone", True, False, lambda c: [gone_range(c) for _ in range(c.varint(64))]),
    })


def backlog(c):
    return {"batches": c.varint(), "bytes": c.varint(), "samples": c.varint(),
            "age_ms": c.varint()}


def report_clock(c):
    d = {"source": c.u8(), "wall_minus_map_ms": c.zigzag(), "uncertainty_ms": c.varint(),
         "flags": c.u8(), "drift_ppb": c.zigzag(), "steps": c.varint()}
    need(d["source"] <= 2 and d["flags"] <= 3, "clock of a report")
    return d


def report_link(c):
    d = {"transport": c.u8(), "via_proxy": c.u8(), "local_address": c.text(0, 63),
         "max_packet_bytes": c.varint(), "connections": c.varint(), "rtt_ms": c.varint(),
         "rate_bytes_per_s": c.varint()}
    need(d["transport"] <= 1 and d["via_proxy"] <= 1, "link of a report")
    return d


def usage(c):
    months = [{"month": c.varint(0xFFFFFFFF), "in_bytes": c.varint(), "out_bytes": c.varint(),
               "class_bytes": [c.varint(), c.varint(), c.varint()], "other_bytes": c.varint()}
              for _ in range(c.varint(13))]
    need(months, "no months")
    need(all(a["month"] < b["month"] for a, b in zip(months, months[1:])), "months descend")
    return months


def budget(c):
    d = {"bytes_per_hour": c.varint(), "used_bytes": c.varint(), "held": c.u8(),
         "opens_in_ms": c.varint()}
    need(d["held"] <= 7, "no such stream")
    return d


def report(r):
    d = read_sections(r, {
        1: ("state", True, False, lambda c: {"spool": c.id(), "boot": c.id(), "boot_ms": c.ms()}),
        2: ("backlog", False, True, backlog),
        3: ("clock", False, False, report_clock),
        4: ("link", False, False, report_link),
        5: ("usage", False, False, usage),
        6: ("budget", False, False, budget),
    })
    return flat(d, "state")


def presence(r):
    def content(c):
        online = c.u8()
        need(online <= 1, "online is neither 0 nor 1")
        return {"online": online == 1, "boot": c.id(), "connections": c.varint(),
                "software": c.text(0, 31)}

    return flat(read_sections(r, {1: ("all", True, False, content)}), "all")


def centre(r):
    return flat(read_sections(r, {1: ("all", True, False, lambda c: {
        "epoch": c.id(), "start": c.id(), "server_unix_ms": c.ms(),
        "reconnect_floor_ms": c.varint(0xFFFFFFFF)})}), "all")


# ---- dictionary and clock map ----


def inflate(body, raw_size, crc):
    need(len(body) <= raw_size, "body longer than its raw size")
    need(raw_size <= 4096 or raw_size // 100 <= len(body), "inflates too well")
    raw = body
    if len(body) < raw_size:
        z = zlib.decompressobj()
        try:
            raw = z.decompress(body, raw_size + 1)
        except zlib.error as e:
            raise Corrupt("does not inflate") from e
        need(z.eof and not z.unused_data, "zlib stream does not end with the body")
    need(len(raw) == raw_size, "raw size differs")
    need(zlib.crc32(raw) == crc, "checksum differs")
    return raw


def frame(c, with_size):
    f = {"spool": c.id(), "first": c.varint(65536), "n": c.varint(65536)}
    need(f["first"] > 0 and f["first"] + f["n"] - 1 <= 65536, "ids out of bounds")
    if with_size:
        f["raw_size"] = c.varint(RAW_MAX)
        f["crc"] = c.u32()
    return f


def series_def(r, series_id):
    d = {"id": series_id, "stream": r.u8(), "kind": r.u8(), "interval_ms": r.varint(0xFFFFFFFF),
         "name": r.text(1, 64), "unit": r.text(0, 64)}
    need(1 <= d["stream"] <= 3 and 1 <= d["kind"] <= 2, "stream or kind")
    need("a" <= d["name"][0] <= "z", "name")
    need(all(ch in "abcdefghijklmnopqrstuvwxyz0123456789_" for ch in d["name"]), "name")
    d["labels"] = [[r.text(1, 64), r.text(0, 128)] for _ in range(r.varint(8))]
    keys = [key.encode() for key, _ in d["labels"]]
    need(all(a < b for a, b in zip(keys, keys[1:])), "labels do not ascend")
    return d


def dictionary(r):
    d = read_sections(r, {
        1: ("frame", True, False, lambda c: frame(c, True)),
        2: ("body", True, False, lambda c: c.take(c.left())),
    })
    f = d["frame"]
    raw = Reader(inflate(d["body"], f["raw_size"], f["crc"]))
    entries = [series_def(raw, f["first"] + i) for i in range(f["n"])]
    raw.done()
    return {"spool": f["spool"], "first": f["first"], "entries": entries}


def clock_map(r):
    d = read_sections(r, {
        1: ("frame", True, False, lambda c: frame(c, False)),
        2: ("segments", True, False, lambda c: c.take(c.left())),
    })
    f, c, boot, out = d["frame"], Reader(d["segments"]), bytes(16).hex(), []
    for i in range(f["n"]):
        flags = c.u8()
        need(flags < 8 and flags & 3 < 3, "flags")
        boot = boot if flags & 4 else c.id()
        out.append({"id": f["first"] + i, "boot": boot, "source": flags & 3,
                    "from_boot_ms": c.ms(), "offset_ms": c.ms(),
                    "uncertainty_ms": c.varint(0xFFFFFFFF)})
    c.done()
    return {"spool": f["spool"], "first": f["first"], "segments": out}


# ---- batch: bits ----


class Bits:
    """Lowest bit of a byte first."""

    def __init__(self, data):
        self.number = int.from_bytes(data, "little")
        self.size = 8 * len(data)
        self.at = 0

    def get(self, n):
        need(self.at + n <= self.size, "bits end early")
        v = self.number >> self.at & ((1 << n) - 1)
        self.at += n
        return v


def residuals(r, expg, k, n):
    """n residuals in two planes; moves r behind them."""
    bits = Bits(r.data[r.at :])
    unary = []
    for _ in range(n):
        q = 0
        while bits.get(1):
            q += 1
        unary.append(q)
    out = []
    for q in unary:
        if expg:
            need(k + q <= 63, "rest too long")
            out.append((((1 << q) - 1) << k) + bits.get(k + q))
        else:
            out.append((q << k) + bits.get(k) & MASK)
    need(bits.get(-bits.at % 8) == 0, "filling is not zero")
    r.take(bits.at // 8)
    return [unzigzag(u) for u in out]


# ---- batch: times and values ----


def time_column(r, begin, end):
    n = r.varint(65536)
    need(n > 0, "empty time column")
    params = r.u8() if n > 1 else 0
    times = [begin + r.varint()]
    if n > 1:
        step = r.varint()
        times.append(times[0] + step)
        steps = [0] * (n - 2)
        if params:
            need(params >> 5 in (1, 2) and n > 2, "time parameters")
            steps = residuals(r, params >> 5 == 2, params & 31, n - 2)
        for change in steps:
            step += change
            times.append(times[-1] + step)
    need(all(a <= b for a, b in zip(times, times[1:])), "times descend")
    need(times[-1] <= end, "times leave the range")
    return times


def predicted(r, expg, k, predictor, m):
    shift = predictor & 3
    values = [r.zigzag()]
    if predictor < 4:
        level = values[0]
        for u in residuals(r, expg, k, m - 1):
            values.append(signed(level + u))
            level = signed(level + (u >> shift))
        return values
    slope = r.zigzag()
    values.append(signed(values[0] + slope))
    for u in residuals(r, expg, k, m - 2):
        values.append(signed(values[-1] + slope + u))
        slope = signed(slope + (u >> shift))
    return values


def run_values(r, m):
    values, last = [], 0
    for _ in range(r.varint(m)):
        last = signed(last + r.zigzag())
        values += [last] * (r.varint(m - 1) + 1)
        need(len(values) <= m, "runs are longer than the column")
    need(len(values) == m, "runs are shorter than the column")
    return values


def xor_values(r, m):
    data = r.take(r.varint(RAW_MAX))
    need(len(data) >= 8, "no first value")
    last = int.from_bytes(data[:8], "little")
    bits, out, window = Bits(data[8:]), [last], None
    for _ in range(m - 1):
        if bits.get(1):
            if bits.get(1):
                lead = bits.get(6)
                window = (lead, bits.get(6) + 1)
            need(window is not None and sum(window) <= 64, "window")
            last ^= bits.get(window[1]) << (64 - window[0] - window[1])
        out.append(last)
    need(bits.size - bits.at < 8 and bits.get(bits.size - bits.at) == 0, "filling is not zero")
    return [struct.unpack("<d", struct.pack("<Q", v))[0] for v in out]


def scaled(v, scale, shift):
    return math.ldexp(float(v), shift) if scale == 7 else float(v) / 10.0**scale


def numbers(r, encoding, scale, shift, m):
    need(encoding <= 5, "no such encoding")
    if encoding in (1, 5):
        need(scale == 0 and m > encoding // 4, "scale or count")
        return [r.f64()] * m if encoding == 1 else xor_values(r, m)
    if encoding == 0:
        need(m > 0 or scale == 0, "scale of nothing")
        return [scaled(r.zigzag(), scale, shift)] * m if m else []
    need(m > 1, "one value is a constant")
    if encoding == 4:
        ints = run_values(r, m)
    else:
        params = r.u8()
        ints = predicted(r, encoding == 3, params & 31, params >> 5, m)
    return [scaled(v, scale, shift) for v in ints]


class Columns:
    """What is carried from column to column."""

    def __init__(self, shared, begin, end):
        self.shared, self.begin, self.end = shared, begin, end
        self.series_id = self.time = self.scale = self.shift = 0

    def shared_times(self, index):
        need(index < len(self.shared), "no such time column")
        self.time = index
        return self.shared[index]

    def column(self, r):
        head = r.u8()
        if head & 0x80:
            return self.long_form(r, head)
        self.series_id += 1
        times = self.shared_times(self.time)
        need(len(times) > 1, "one value is a constant")
        ints = predicted(r, False, head & 15, head >> 4, len(times))
        return self.result(times, [], [scaled(v, self.scale, self.shift) for v in ints])

    def long_form(self, r, head):
        encoding, scale = head & 7, head >> 3 & 7
        extra = r.u8() if head & 0x40 else 0
        need(extra <= 7 and (extra != 0 or not head & 0x40), "flags")
        shift = r.u8() if scale == 7 else 0
        need(shift <= 63, "shift")
        step = r.varint() if extra & 1 else 1
        need(step > 0, "series id does not ascend")
        self.series_id += step
        ref = r.varint() if extra & 2 else self.time + 1
        times = self.shared_times(ref - 1) if ref else time_column(r, self.begin, self.end)
        runs = self.unknown_runs(r, len(times)) if extra & 4 else []
        m = len(times) - sum(count for count, reason in runs if reason)
        return self.result(times, runs, self.values(r, encoding, scale, shift, m))

    def unknown_runs(self, r, n):
        runs = []
        for _ in range(r.varint(n)):
            run = r.varint()
            need(run >> 3 > 0 and run & 7 <= 4, "unknown run")
            runs.append((run >> 3, run & 7))
        need(sum(count for count, _ in runs) == n, "unknown runs differ from the column")
        return runs

    def values(self, r, encoding, scale, shift, m):
        if encoding in (2, 3, 4):
            self.scale, self.shift = scale, shift
        return numbers(r, encoding, scale, shift, m)

    def result(self, times, runs, known):
        need(all(math.isfinite(v) for v in known), "a value is not finite")
        runs = runs or [(len(times), 0)]
        reasons = [reason for count, reason in runs for _ in range(count)]
        known = iter(known)
        return {"id": self.series_id, "times": times, "unknown": reasons,
                "values": [None if reason else next(known) for reason in reasons]}


# ---- batch: thinned samples ----


def sequence(r, n):
    need(n > 0, "a sequence of nothing")
    head = r.u8()
    need(head < 64, "head of a sequence")
    shift = r.u8() if head >> 3 == 7 else 0
    need(shift <= 63, "shift")
    out = numbers(r, head & 7, head >> 3, shift, n)
    need(all(math.isfinite(v) for v in out), "a number is not finite")
    return out


def thin_part(r, column):
    known = [value for value in column["values"] if value is not None]
    counts = sequence(r, len(known))
    need(all(v == int(v) and 1 <= v <= 1 << 20 for v in counts), "count of a thinned sample")
    several = sum(v > 1 for v in counts)
    lowest, highest = sequence(r, several), sequence(r, several)
    r.done()
    need(all(a <= b for a, b in zip(lowest, highest)), "lowest above highest")
    counts, bounds = zip(known, counts), zip(lowest, highest)
    for value in column["values"]:
        if value is None:
            yield None
            continue
        value, count = next(counts)
        low, high = next(bounds) if count > 1 else (value, value)
        yield [low, high, int(count)]


def read_thin(r, columns, most):
    by_id = {column["id"]: column for column in columns}
    n, series_id = r.varint(most), 0
    need(n > 0, "section THIN of nothing")
    for _ in range(n):
        step = r.varint()
        need(step > 0, "series id does not ascend")
        series_id += step
        part = Reader(r.take(r.varint(RAW_MAX)))
        need(series_id in by_id, "thinned samples of no column")
        by_id[series_id]["thin"] = list(thin_part(part, by_id[series_id]))
    r.done()


# ---- batch: the rest ----


def attribute(r):
    key, kind = r.text(1, 64), r.u8()
    if kind == 0:
        return [key, None]
    if kind == 1:
        return [key, r.text(0, 1024)]
    if kind == 2:
        value = r.f64()
        need(math.isfinite(value), "number is not finite")
        return [key, value]
    if kind in (3, 4):
        return [key, kind == 4]
    need(8 <= kind <= 14, "no such attribute kind")
    return [key, scaled(r.zigzag(), kind - 8, 0)]


def read_events(r, n, begin, end):
    out, last = [], 0
    for _ in range(n):
        last += r.zigzag()
        need(begin <= last <= end, "event outside the range")
        out.append({"boot_ms": last, "type": r.text(1, 64), "id": r.text(0, 64),
                    "attrs": [attribute(r) for _ in range(r.varint(32))]})
    r.done()
    return out


def boot_of(r, form, boot):
    need(form <= 2, "boot form")
    return (bytes(16).hex(), boot)[form] if form < 2 else r.id()


def read_gaps(r, n, boot):
    out = []
    for _ in range(n):
        g = {"reason": r.u8(), "stream": r.u8()}
        flags = r.u8()
        need(1 <= g["reason"] <= 10 and 1 <= g["stream"] <= 3 and flags < 32, "gap")
        g["spool"] = r.id() if flags & 16 else bytes(16).hex()
        g["seq_first"] = r.varint()
        g["seq_last"] = g["seq_first"] + r.varint() if g["seq_first"] else 0
        need(g["seq_last"] <= MASK, "gap")
        g["begin_boot"] = boot_of(r, flags & 3, boot)
        g["begin_boot_ms"] = r.ms()
        g["end_boot"] = boot_of(r, flags >> 2 & 3, boot)
        g["end_boot_ms"] = r.ms()
        g["samples"] = r.varint()
        out.append(g)
    r.done()
    return out


def batch_header(r):
    h = {"spool": r.id(), "boot": r.id(), "stream": r.u8(), "kind": r.u8(), "seq": r.varint()}
    need(1 <= h["stream"] <= 3 and h["kind"] <= 1 and 0 < h["seq"] < MASK, "stream, kind or seq")
    begin = r.ms()
    h["collect"] = [begin, begin + r.varint()]
    begin += r.zigzag()
    h["event"] = [begin, begin + r.varint()]
    for v in h["collect"] + h["event"]:
        need(-MS_MAX <= v <= MS_MAX, "time out of bounds")
    h["dict_version"] = r.varint(65536)
    h["counts"] = [r.varint(65536), r.varint(8192), r.varint(4096)]
    h["supersedes"] = None
    if h["kind"] == 1:
        first = r.varint()
        h["supersedes"] = [first, first + r.varint()]
        need(0 < first and h["supersedes"][1] < h["seq"], "superseded range")
    h["raw_size"], h["crc32"] = r.varint(RAW_MAX), r.u32()
    h["next_seq"], h["lowest_held"] = r.u64(), r.u64()
    need(h["seq"] < h["next_seq"] and 0 < h["lowest_held"] <= h["next_seq"], "next or lowest")
    return h


def read_columns(r, shared, h):
    columns = Columns(shared, *h["event"])
    n = r.varint(h["counts"][0])
    need(n > 0, "no columns")
    out = [columns.column(r) for _ in range(n)]
    r.done()
    need(sum(len(c["times"]) for c in out) == h["counts"][0], "count of samples differs")
    need(out[-1]["id"] <= h["dict_version"], "series id beyond the dictionary")
    return out


def batch(r):
    h = batch_header(r)
    need(r.varint() == r.left(), "body length")
    raw = Reader(inflate(r.take(r.left()), h["raw_size"], h["crc32"]))
    found, unknown = {}, 0
    for tag, content in sections(raw):
        unknown += tag > 5
        need(tag > 5 or tag not in found, "section comes twice")
        found[tag] = content
    for tag, count in zip((2, 3, 4), h["counts"]):
        need((tag in found) == (count > 0), "section and count differ")
    need(1 not in found or 2 in found, "times without columns")
    need(5 not in found or 2 in found, "thinned samples without columns")
    shared = []
    if 1 in found:
        n = found[1].varint(64)
        shared = [time_column(found[1], *h["event"]) for _ in range(n)]
        found[1].done()
    h["series"] = read_columns(found[2], shared, h) if 2 in found else []
    if 5 in found:
        read_thin(found[5], h["series"], h["counts"][0])
    h["events"] = read_events(found[3], h["counts"][1], *h["event"]) if 3 in found else []
    h["gaps"] = read_gaps(found[4], h["counts"][2], h["boot"]) if 4 in found else []
    h["unknown_sections"] = unknown
    return h


TYPES = {
    1: ("hello", hello),
    2: ("answer", lambda r: receipt(r, True)),
    3: ("batch", batch),
    4: ("dictionary", dictionary),
    5: ("clock map", clock_map),
    6: ("receipt", receipt),
    7: ("presence", presence),
    8: ("centre", centre),
    9: ("gone", gone),
    10: ("question", question),
    11: ("report", report),
}


def decode(message):
    """One message as a dict with its "type"."""
    need(len(message) >= 4 and message[:2] == b"BL" and message[2] != 0, "prefix")
    if message[2] > 1:
        raise Newer("format %d" % message[2])
    need(len(message) <= MESSAGE_MAX, "message too large")
    need(message[3] in TYPES, "message type")
    name, get = TYPES[message[3]]
    return {"type": name, **get(Reader(message[4:]))}
