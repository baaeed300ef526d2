"""The wire's second reader, its lower half: bytes, bits, and columns of times and numbers (see wire_decoder.py)."""

import math
import struct

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


# ---- batch: bits ----


class Bits:
    """Lowest bit of a byte first."""

    def __init__(self, data):
        self.number = int.from_bytes(data, "little")
        self.size = 8 * len(data)
        self.at = 0
        self.last_class = 20

    def get(self, n):
        need(self.at + n <= self.size, "bits end early")
        v = self.number >> self.at & ((1 << n) - 1)
        self.at += n
        return v

    def unary(self):
        q = 0
        while self.get(1):
            q += 1
        return q

    def rest(self, q, k):
        need(k + q <= 63, "rest too long")
        return (((1 << q) - 1) << k) + self.get(k + q)

    def eg(self, k):
        return self.rest(self.unary(), k)

    def eg_zigzag(self, k):
        return unzigzag(self.eg(k))

    def signed_number(self):
        self.last_class += self.eg_zigzag(2)
        need(0 <= self.last_class <= 55 or 65 <= self.last_class <= 119, "no such class")
        length = self.last_class % 64
        v = self.get(length - 1) + (1 << (length - 1)) if length else 0
        return -v if self.last_class > 64 else v

    def residuals(self, expg, k, n):
        unary = [self.unary() for _ in range(n)]
        rests = [self.rest(q, k) if expg else (q << k) + self.get(k) & MASK for q in unary]
        return [unzigzag(u) for u in rests]

    def filling(self):
        """Moves to the next byte."""
        need(self.get(-self.at % 8) == 0, "filling is not zero")

    def done(self):
        self.filling()
        need(self.at == self.size, "bytes left over")


# ---- batch: times and numbers ----


def time_column(bits, begin, end):
    """A count and its times."""
    n = bits.eg(3) + 1
    need(n <= 65536, "too many times")
    times = [begin + bits.eg(5)]
    if n > 1:
        step = bits.eg(13)
        times.append(times[0] + step)
        steps = [0] * (n - 2)
        if bits.get(1):
            need(n > 2, "two times are regular")
            expg, k = bits.get(1), bits.get(5)
            steps = bits.residuals(expg, k, n - 2)
        for change in steps:
            step += change
            times.append(times[-1] + step)
    need(all(a <= b for a, b in zip(times, times[1:])), "times descend")
    need(times[-1] <= end, "times leave the range")
    return times


def level_values(first, residuals, shift):
    values, level = [first], first
    for r in residuals:
        values.append(signed(level + r))
        level = signed(level + (r >> shift))
    return values


def slope_values(first, slope, residuals, shift):
    values = [first, signed(first + slope)]
    for r in residuals:
        values.append(signed(values[-1] + slope + r))
        slope = signed(slope + (r >> shift))
    return values


def run_values(bits, m):
    k_length, k_difference = bits.get(5), bits.get(5)
    runs = bits.eg(2) + 2
    need(runs <= m, "more runs than values")
    value, values = bits.signed_number(), []
    for _ in range(runs - 1):
        length = bits.eg(k_length) + 1
        need(len(values) + length < m, "runs are longer than the column")
        values += [value] * length
        value = signed(value + unzigzag(bits.eg(k_difference) + 1 & MASK))
    return values + [value] * (m - len(values))


def xor_values(bits, m):
    size = bits.eg(6)
    need(size >= 64, "no first value")
    end, window = bits.at + size, None
    last = bits.get(64)
    out = [last]
    for _ in range(m - 1):
        if bits.get(1):
            if bits.get(1):
                lead = bits.get(6)
                window = (lead, bits.get(6) + 1)
            need(window is not None and sum(window) <= 64, "window")
            last ^= bits.get(window[1]) << (64 - window[0] - window[1])
        out.append(last)
    need(bits.at == end, "bits left over, or too few")
    return [struct.unpack("<d", struct.pack("<Q", v))[0] for v in out]


def scaled(v, scale, shift):
    return math.ldexp(float(v), shift) if scale == 7 else float(v) / 10.0**scale


def stated_scale(bits):
    scale = bits.get(3)
    return scale, bits.get(6) if scale == 7 else 0


class Numbers:
    """What one column's numbers leave for the next."""

    def __init__(self, bits):
        self.bits = bits
        self.encoding, self.predictor, self.expg, self.k, self.scale = "predicted", 0, 0, 6, (0, 0)

    def head(self):
        if self.bits.get(1) == 0:
            return
        self.encoding = ("zero", "constant", "predicted", "other")[self.bits.get(2)]
        if self.encoding == "predicted" and self.bits.get(1):
            self.predictor, self.expg = self.bits.get(3), self.bits.get(1)
        if self.encoding == "other":
            which = self.bits.get(2)
            need(which < 3, "no such encoding")
            self.encoding = ("runs", "xor", "f64")[which]

    def last_scale(self):
        if self.bits.get(1):
            self.scale = stated_scale(self.bits)

    def integers(self, values, scale):
        need(all(abs(v) <= 1 << 53 for v in values), "an integer beyond 2^53")
        return [scaled(v, *scale) for v in values]

    def predicted(self, m):
        self.last_scale()
        self.k += self.bits.eg_zigzag(1)
        need(0 <= self.k <= 31, "k")
        first, shift = self.bits.signed_number(), self.predictor & 3
        if self.predictor < 4:
            return level_values(first, self.bits.residuals(self.expg, self.k, m - 1), shift)
        slope = self.bits.eg_zigzag(min(self.k + 1, 31))
        return slope_values(first, slope, self.bits.residuals(self.expg, self.k, m - 2), shift)

    def get(self, m):
        if m == 0:
            return []
        self.head()
        if self.encoding == "zero":
            return [0.0] * m
        if self.encoding == "constant":
            scale = stated_scale(self.bits) if self.bits.get(1) else (0, 0)
            return self.integers([self.bits.signed_number()], scale) * m
        if self.encoding == "f64":
            return [struct.unpack("<d", struct.pack("<Q", self.bits.get(64)))[0]] * m
        need(m > 1, "one value is a constant")
        if self.encoding == "xor":
            return xor_values(self.bits, m)
        if self.encoding == "predicted":
            values = self.predicted(m)
            return self.integers(values, self.scale)
        self.last_scale()
        return self.integers(run_values(self.bits, m), self.scale)


class Columns:
    """What is carried from column to column."""

    def __init__(self, bits, shared, begin, end):
        self.bits, self.shared, self.begin, self.end = bits, shared, begin, end
        self.numbers = Numbers(bits)
        self.series_id = self.time = 0

    def shared_times(self, index):
        need(index < len(self.shared), "no such time column")
        self.time = index
        return self.shared[index]

    def column(self):
        bits = self.bits
        extra = bits.get(3) if bits.get(1) else None
        need(extra != 0, "flags")
        extra = extra or 0
        self.series_id += bits.eg(2) + 2 if extra & 1 else 1
        ref = bits.eg(1) if extra & 2 else self.time + 1
        times = self.shared_times(ref - 1) if ref else time_column(bits, self.begin, self.end)
        runs = self.unknown_runs(len(times)) if extra & 4 else [(len(times), 0)]
        known = self.numbers.get(len(times) - sum(count for count, reason in runs if reason))
        need(not any(math.isnan(v) for v in known), "a value is no number")
        known = [v if math.isfinite(v) else str(v) for v in known]  # as wire_json.c: JSON has no infinity
        reasons = [reason for count, reason in runs for _ in range(count)]
        known = iter(known)
        return {"id": self.series_id, "times": times, "unknown": reasons,
                "values": [None if reason else next(known) for reason in reasons]}

    def unknown_runs(self, n):
        runs, left = [], n
        for _ in range(self.bits.eg(0) + 1):
            reason, count = self.bits.get(3), self.bits.eg(3) + 1
            need(reason <= 4 and count <= left, "unknown run")
            left -= count
            runs.append((count, reason))
        need(left == 0, "unknown runs differ from the column")
        return runs
