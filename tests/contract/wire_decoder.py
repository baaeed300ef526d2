"""A second reader of the wire, written from shared/WIRE.md alone, for tests only.

Slow, plain, standard library only.  decode(bytes) gives a dict of plain values;
Corrupt and Newer say why a message is refused.  It shares no code with
shared/codec, so that what both read the same way is what the page says.
"""

import math
import zlib

from wire_columns import (
    Bits, Columns, Corrupt, MASK, MESSAGE_MAX, MS_MAX, Newer, Numbers, RAW_MAX, Reader, need, scaled,
    time_column)
from wire_columns import signed, unzigzag  # noqa: F401  for who imports this

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
        known[5] = ("takes", False, False, lambda c: c.u8())
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


def sampling(c):
    d = {"flags": c.u8(), "whole_in_ms": c.varint(), "series_refused": c.varint(),
         "samples_refused": c.varint(), "results_dropped": c.varint()}
    need(d["flags"] <= 1, "unknown flags")
    return d


def report(r):
    d = read_sections(r, {
        1: ("state", True, False, lambda c: {"spool": c.id(), "boot": c.id(), "boot_ms": c.ms()}),
        2: ("backlog", False, True, backlog),
        3: ("clock", False, False, report_clock),
        4: ("link", False, False, report_link),
        5: ("usage", False, False, usage),
        6: ("budget", False, False, budget),
        7: ("sampling", False, False, sampling),
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


# ---- batch: thinned samples ----


def sequence(r, n):
    need(n > 0, "a sequence of nothing")
    bits = Bits(r.data[r.at :])
    out = Numbers(bits).get(n)
    need(all(math.isfinite(v) for v in out), "a number is not finite")
    bits.filling()
    r.take(bits.at // 8)
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
        need(count == 1 or not isinstance(value, str), "a mean is infinite")
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


def announced(r, kind, bit, most):
    """A count that a bit of the kind announces."""
    n = r.varint(most) if kind & bit else 0
    need(n > 0 or not kind & bit, "announced and none")
    return n


def batch_header(r):
    h = {"spool": r.id(), "boot": r.id()}
    kind = r.u8()
    h.update(stream=kind & 3, kind=kind >> 2 & 1, seq=r.varint())
    need(h["stream"] > 0 and kind < 64 and 0 < h["seq"] < MASK, "stream, kind or seq")
    begin = r.ms()
    h["collect"] = [begin, begin + r.varint()]
    begin += r.zigzag()
    h["event"] = [begin, begin + r.varint()]
    for v in h["collect"] + h["event"]:
        need(-MS_MAX <= v <= MS_MAX, "time out of bounds")
    h["dict_version"] = r.varint(65536)
    h["counts"] = [r.varint(65536), announced(r, kind, 8, 8192), announced(r, kind, 16, 4096)]
    h["supersedes"] = None
    if h["kind"] == 1:
        first = r.varint()
        h["supersedes"] = [first, first + r.varint()]
        need(0 < first and h["supersedes"][1] < h["seq"], "superseded range")
    raw_size = r.varint(RAW_MAX) if kind & 32 else None
    h["crc32"] = r.u32()
    h["next_seq"] = h["seq"] + 1 + r.varint()
    h["lowest_held"] = h["next_seq"] - r.varint()
    need(h["next_seq"] <= MASK and h["lowest_held"] > 0, "next or lowest")
    h["raw_size"] = r.left() if raw_size is None else raw_size
    need(raw_size is None or r.left() < raw_size, "a deflated body is shorter than its raw size")
    return h


def read_columns(r, shared, h):
    n = r.varint(h["counts"][0])
    need(n > 0, "no columns")
    bits = Bits(r.take(r.left()))
    columns = Columns(bits, shared, *h["event"])
    out = [columns.column() for _ in range(n)]
    bits.done()
    need(sum(len(c["times"]) for c in out) == h["counts"][0], "count of samples differs")
    need(out[-1]["id"] <= h["dict_version"], "series id beyond the dictionary")
    return out


def read_times(r, h):
    n = r.varint(64)
    bits = Bits(r.take(r.left()))
    shared = [time_column(bits, *h["event"]) for _ in range(n)]
    bits.done()
    return shared


def batch(r):
    h = batch_header(r)
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
    shared = read_times(found[1], h) if 1 in found else []
    h["series"] = read_columns(found[2], shared, h) if 2 in found else []
    if 5 in found:
        read_thin(found[5], h["series"], h["counts"][0])
    h["events"] = read_events(found[3], h["counts"][1], *h["event"]) if 3 in found else []
    h["gaps"] = read_gaps(found[4], h["counts"][2], h["boot"]) if 4 in found else []
    h["unknown_sections"] = unknown
    return h


# ---- bundle ----


def bundled(message):
    """A batch of a bundle, or why it is none: that is its own affair."""
    try:
        need(len(message) < 4 or message[2] != 1 or message[3] == 3, "no batch")
        return decode(message)
    except Corrupt as e:
        return {"refused": "corrupt", "reason": str(e)}
    except Newer as e:
        return {"refused": "newer_version", "reason": str(e)}


def batches(c):
    n = c.varint(64)
    need(n >= 2, "too few batches")
    out = []
    for _ in range(n):
        size = c.varint(MESSAGE_MAX)
        need(size > 0, "an empty batch")
        out.append(c.take(size))
    return out


def packed(c):
    n = c.varint(64)
    need(n >= 2, "too few batches")
    out, left = [], MESSAGE_MAX
    for _ in range(n):
        size = c.varint(left)
        need(size > 0, "an empty batch")
        left -= size
        out.append(pieces(c, size, out[-1]) if out else c.take(size))
    return out


def pieces(c, size, before):
    """One batch: what the one before has at the same place, then what is its own, in turn."""
    one, first = b"", True
    while len(one) < size:
        same = c.varint(size - len(one))
        need((same > 0 or first) and (same == 0 or len(one) + same <= len(before)), "same")
        one += before[len(one):len(one) + same]
        first = False
        if len(one) < size:
            other = c.varint(size - len(one))
            need(other > 0, "other")
            one += c.take(other)
    return one


def bundle(r, content=batches):
    d = read_sections(r, {1: ("batches", True, False, content)})
    d["batches"] = [bundled(m) for m in d["batches"]]
    return d


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
    12: ("bundle", bundle),
    13: ("pack", lambda r: bundle(r, packed)),
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
