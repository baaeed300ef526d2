"""A second reader of the part format, written from collector/src/chunk/README.md alone, for tests only.

dump(bytes) gives lines of text; Corrupt says why a region is refused.  It shares no code with
collector/src/chunk.  Sequences and times are those of the wire: wire_decoder reads them.
"""

import math
import struct
import zlib

import wire_decoder
from wire_decoder import Bits, Corrupt, Reader, need, signed, unzigzag

HOUR_MS = 3600000
LEVELS = ("raw", "m5", "h1")


def checked(data, begin, length, crc):
    piece = data[begin : begin + length]
    need(len(piece) == length and zlib.crc32(piece) == crc, "checksum")
    return piece


def number(v):
    """A double as its bits; every NaN is the same."""
    return "nan" if math.isnan(v) else struct.pack(">d", v).hex()


def sequences(r, n):
    out = []
    while len(out) < n:
        out += wire_decoder.sequence(r, min(n - len(out), 65536))
    return out


def times_of(r, n, hour):
    bits = Bits(r.data[r.at :])
    out = [hour + bits.eg(5)]
    if n > 1:
        step, steps = bits.eg(13), [0] * (n - 2)
        out.append(out[0] + step)
        if bits.get(1):
            expg, k = bits.get(1), bits.get(5)
            steps = bits.residuals(expg, k, n - 2)
        for change in steps:
            step += change
            out.append(out[-1] + step)
    bits.filling()
    r.take(bits.at // 8)
    return out


# ---- index ----


class Source:
    def __init__(self, device, stream):
        self.device, self.stream = device, stream
        self.times, self.edges, self.crc = [], [], 0


def read_sources(r, raw, hour):
    sources, device, boot = [], 0, 0
    for i in range(r.varint()):
        device = r.zigzag() if i == 0 else signed(device + r.varint())
        s = Source(device, r.u8())
        n = r.varint()
        if raw:
            s.crc = r.u32() if n else 0
            s.times = [(r.varint(), r.varint()) for _ in range(n)]
        for _ in range(0 if raw else n):
            first, last = hour + r.varint(), hour + HOUR_MS - 1 - r.varint()
            first_boot = signed(boot + r.zigzag())
            boot = signed(first_boot + r.zigzag())
            s.edges.append((first, last, first_boot, boot))
        sources.append(s)
    return sources


def read_shape(r, windows):
    out = []
    for _ in range(2):
        side = []
        while len(side) < windows:
            run = r.varint()
            side += [run >> 4] * ((run & 15) + 1)
        out.append(side)
    return out


def read_metrics(r):
    out, name = [], b""
    for _ in range(r.varint()):
        name = name[: r.varint()]
        name += r.take(r.varint())
        columns, blocks, dir_len, crc, length = (
            r.varint(), r.varint(), r.varint(), r.u32(), r.varint())
        out.append((name.decode(), columns, blocks, dir_len, crc, length))
    return out


# ---- blocks ----


class Region:
    def __init__(self, data):
        need(len(data) >= 48 and data[:6] == b"BLPART", "head")
        need(zlib.crc32(data[:44]) == struct.unpack("<I", data[44:48])[0], "head")
        (self.format, self.level, self.hour, size, index_len, crc, self.columns, self.samples,
         zero) = struct.unpack("<BBqIIIIQI", data[6:44])
        need(self.format == 1 and size == len(data) and zero == 0, "head")
        self.data, self.raw = data, self.level == 0
        self.windows = (0, 12, 1)[self.level]
        r = Reader(checked(data, size - index_len, index_len, crc))
        self.sources = read_sources(r, self.raw, self.hour)
        self.shapes = [] if self.raw else [read_shape(r, self.windows) for _ in range(r.varint())]
        self.metrics = read_metrics(r)
        r.done()

    def sections(self):
        at = 48
        for name, columns, blocks, dir_len, crc, length in self.metrics:
            d = Reader(checked(self.data, at, dir_len, crc))
            at += dir_len
            last = 0
            for _ in range(blocks):
                n = d.varint()
                first = last + d.varint()
                last = first + d.varint()
                size = d.varint()
                yield name, n, first, Reader(checked(self.data, at, size, d.u32()))
                at += size
            d.done()
        for s in self.sources:
            size = sum(length for _, length in s.times)
            piece = checked(self.data, at, size, s.crc) if s.times else b""
            at += size
            s.columns, begin = [], 0
            for n, length in s.times:
                s.columns.append(self.time_column(Reader(piece[begin : begin + length]), n))
                begin += length

    def time_column(self, r, n):
        runs, boot, offset, left = [], 0, 0, n
        count = r.varint()
        for i in range(count):
            boot, offset = signed(boot + r.zigzag()), signed(offset + r.zigzag())
            runs.append((boot, offset, r.varint() if i + 1 < count else left))
            left -= runs[-1][2]
        times = []
        while len(times) < n:
            times += times_of(r, min(n - len(times), 65536), self.hour)
        r.done()
        return times, runs

    def entries(self):
        for name, n, source, r in self.sections():
            series, steps, interval = 0, [0, 0], 0
            for _ in range(n):
                flags = r.u8()
                ahead = r.varint() if flags & 3 == 2 else flags & 3
                source += ahead
                if flags & 4:
                    steps[ahead > 0] = r.zigzag()
                series = signed(series + steps[ahead > 0])
                if flags & 8:
                    interval = r.varint()
                ref, shape, edge = r.varint() if flags & 32 else 0, None, 0
                if not self.raw:
                    inline = ref == len(self.shapes)
                    shape = read_shape(r, self.windows) if inline else self.shapes[ref]
                    edge = r.varint() if flags & 64 else 0
                yield name, source, series, interval, flags, ref, shape, edge, Reader(
                    r.take(r.varint()))
            r.done()


# ---- raw ----


def unknown_of(r, n):
    out = []
    for _ in range(r.varint()):
        run = r.varint()
        out += [run & 7] * (run >> 3)
    need(len(out) == n, "unknown")
    return out


def thin_of(r, known):
    counts = [int(v) for v in sequences(r, known)]
    several = [i for i in range(known) if counts[i] > 1]
    low, high = sequences(r, len(several)), sequences(r, len(several))
    kinds = []
    while len(kinds) < len(several):
        run = r.varint()
        kinds += [run & 3] * (run >> 2)
    stated = [(r.varint(), r.f64()) if kind == 2 else kind for kind in kinds]
    r.done()
    return dict(zip(several, zip([counts[i] for i in several], low, high, stated)))


def raw_column(times, flags, r):
    n = len(times)
    reasons = unknown_of(r, n) if flags & 64 else [0] * n
    at = [j for j in range(n) if reasons[j] == 0]
    thin = thin_of(Reader(r.take(r.varint())), len(at)) if flags & 128 else {}
    values = sequences(r, len(at))
    r.done()
    out = [f"u{reason}" if reason else "" for reason in reasons]
    for i, j in enumerate(at):
        out[j] = number(values[i])
        if i in thin:
            count, low, high, before = thin[i]
            if before == 1:
                before = (times[j] - times[at[i - 1]], values[i - 1])
            ms, value = before or (0, 0.0)
            out[j] += f"/{count}/{number(low)}/{number(high)}/{ms}/{number(value) if ms else '-'}"
    return out


# ---- roll-ups ----


class RollBits(Bits):
    def num(self):
        length = self.get(6)
        return self.get(length - 1) | 1 << (length - 1) if length else 0

    def signed_num(self):
        return unzigzag(self.num())

    def rice(self, k):
        q = 0
        while q < 20 and self.get(1):
            q += 1
        return self.num() + (20 << k) if q == 20 else (q << k) + self.get(k)

    def few(self, n):
        if n == 1:
            return [self.signed_num()]
        predictor, k = self.get(2), self.get(6)
        if predictor == 3:
            least = self.signed_num()
            return [least + self.rice(k) for _ in range(n)]
        level = self.signed_num()
        out = [level]
        for _ in range(n - 1):
            error = unzigzag(self.rice(k))
            out.append(level + error)
            level += error >> predictor
        return out


def gauge(bits, counts):
    means = bits.few(len(counts))
    sums = [m * c + bits.get((c - 1).bit_length()) for m, c in zip(means, counts)]
    low, high = bits.few(len(counts)), bits.few(len(counts))
    return sums, [m - d for m, d in zip(means, low)], [m + d for m, d in zip(means, high)], None


def steady(bits, counts):
    first = bits.signed_num()
    increases = bits.few(len(counts))
    steps = [0] + (bits.few(len(counts) - 1) if len(counts) > 1 else [])
    mins, maxs, at = [], [], first
    for increase, step in zip(increases, steps):
        mins.append(at + step)
        at += increase
        maxs.append(at)
    return increases, mins, maxs, (first, at)


def general(bits, counts):
    increases = bits.few(len(counts))
    ends = bits.signed_num(), bits.signed_num()
    mins, spans = bits.few(len(counts)), bits.few(len(counts))
    return increases, mins, [a + b for a, b in zip(mins, spans)], ends


def roll(data, counts, counter):
    """Totals, mins, maxs, ends as doubles, and the bits behind them."""
    bits = RollBits(data)
    mode = bits.get(2)
    if mode == 3:
        r = Reader(data[1:])
        n = len(counts)
        out = [sequences(r, n) for _ in range(3)] + [sequences(r, 2) if counter else None]
        return *out, RollBits(r.take(r.left()))
    scale = bits.get(3)
    shift = bits.get(6) if scale == 7 else 0
    if mode == 0:
        v = bits.signed_num()
        out = [0 if counter else v * c for c in counts], [v] * len(counts), [v] * len(counts), (v, v)
    else:
        out = (general if mode == 2 else steady if counter else gauge)(bits, counts)
    out = [v and [wire_decoder.scaled(x, scale, shift) for x in v] for v in out]
    return *out, bits


def ordinal(v):
    mantissa, exponent = math.frexp(abs(v))
    if abs(v) < 2.0**-1022:
        return 0
    at = (exponent + 1021) * 50 + int((mantissa * 2 - 1) * 2**52) * 50 // 2**52 + 1
    return -at if v < 0 else at


class Pace:
    def __init__(self, bits, mean):
        self.bits, self.mean = bits, mean

    def next(self):
        v = self.bits.rice((self.mean >> 5).bit_length())
        self.mean = max(0, self.mean + ((16 * v - self.mean) >> 2))
        return v


def sketch(bits, known, low, high):
    first, last = ordinal(low), ordinal(high)
    if bits.get(1):
        first = bits.signed_num()
        last = first + bits.num()
    if first == last:
        return [(first, known)]
    rest, out = known - 2, []
    if bits.get(1) == 0:
        pace = Pace(bits, 16 * rest // (last - first + 1))
        for at in range(first, last):
            v = pace.next() if rest else 0
            rest -= v
            if v or at == first:
                out.append((at, v + (at == first)))
        return out + [(last, rest + 1)]
    counts, steps = Pace(bits, 16), Pace(bits, 2 * (last - first + 1))
    v, at = counts.next(), first
    rest -= v
    out.append((at, v + 1))
    while rest:
        at += steps.next() + 1
        if at == last:
            break
        v = counts.next() + 1
        rest -= v
        out.append((at, v))
    return out + [(last, rest + 1)]


def roll_column(region, source, flags, shape, edge, r):
    counter, known = bool(flags & 16), shape[0]
    at = [w for w in range(region.windows) if known[w]]
    totals = mins = maxs = ends = bits = None
    if at:
        totals, mins, maxs, ends, bits = roll(r.take(r.left()), [known[w] for w in at], counter)
    r.done()
    out = []
    for w in range(region.windows):
        if w in at:
            i = at.index(w)
            out.append(f"{known[w]}/{shape[1][w]}/{number(totals[i])}/{number(mins[i])}/{number(maxs[i])}")
        else:
            out.append(f"0/{shape[1][w]}")
    if counter and at:
        first, last, first_boot, last_boot = source.edges[edge]
        out.append(f"edges/{number(ends[0])}/{number(ends[1])}/{first}/{last}/{first_boot}/{last_boot}/{flags >> 7}")
    if region.level == 2 and at and not counter:
        out += [f"{o}:{c}" for o, c in sketch(bits, known[0], mins[0], maxs[0])]
    if bits:
        bits.done()
    return out


# ---- all of it ----


def dump(data):
    region = Region(bytes(data))
    lines = [f"{LEVELS[region.level]} {region.hour} {region.columns} {region.samples}"]
    entries = list(region.entries())
    need(len(entries) == region.columns, "number of columns")
    for name, at, series, interval, flags, ref, shape, edge, r in entries:
        source = region.sources[at]
        line = [name, source.device, source.stream, series, "counter" if flags & 16 else "gauge", interval]
        if region.raw:
            times, runs = source.columns[ref]
            line += [f"{boot}:{offset}:{n}" for boot, offset, n in runs]
            line += [f"{t - region.hour}={v}" for t, v in zip(times, raw_column(times, flags, r))]
        else:
            line += roll_column(region, source, flags, shape, edge, r)
        lines.append(" ".join(str(x) for x in line))
    return lines


__all__ = ["Corrupt", "dump"]
