"""Reads the bodies of stored batches, from shared/WIRE.md (section 3) alone: no code of the collector
decides here what the collector has stored.

columns() and events() give plain Python values; Damaged says what does not hold.
"""

import struct
import zlib

RAW_MAX = 4194304
_MASK = (1 << 64) - 1


class Damaged(Exception):
    pass


def _need(ok, what):
    if not ok:
        raise Damaged(what)


def inflate(body, raw_bytes, crc32):
    """The body as it was before compression; its length and checksum are right."""
    _need(len(body) <= raw_bytes <= RAW_MAX, "the body is longer than its raw size")
    if len(body) < raw_bytes:
        unzip = zlib.decompressobj()
        try:
            body = unzip.decompress(body, raw_bytes + 1)
        except zlib.error as error:
            raise Damaged(f"does not inflate: {error}") from None
        _need(unzip.eof and not unzip.unused_data, "does not end where its compression does")
    _need(len(body) == raw_bytes, "the raw size differs")
    _need(zlib.crc32(body) == crc32, "the checksum differs")
    return body


class _Bytes:
    """Bytes from begin to end, read from the front."""

    def __init__(self, data, begin=0, end=None):
        self.data = data
        self.at = begin
        self.end = len(data) if end is None else end

    def left(self):
        return self.end - self.at

    def take(self, n):
        _need(0 <= n <= self.left(), "ends early")
        self.at += n
        return self.data[self.at - n:self.at]

    def byte(self):
        _need(self.at < self.end, "ends early")
        self.at += 1
        return self.data[self.at - 1]

    def number(self):
        """Unsigned LEB128."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7f) << shift
            if byte < 0x80:
                _need(value <= _MASK, "a number is too long")
                return value
            shift += 7
            _need(shift < 70, "a number is too long")

    def signed(self):
        return _unfold(self.number())

    def double(self):
        return struct.unpack("<d", self.take(8))[0]

    def text(self):
        try:
            return self.take(self.number()).decode()
        except UnicodeDecodeError:
            raise Damaged("a text is not UTF-8") from None


def _unfold(n):
    """What zigzag folded."""
    return (n >> 1) ^ -(n & 1)


def _wrap(n):
    """As 64 bits with a sign."""
    n &= _MASK
    return n - (1 << 64) if n >> 63 else n


class _Bits:
    """Bits of a source's bytes up to its end, the lowest of a byte first."""

    def __init__(self, source):
        self._source = source
        self._at = 0  # bit, counted from source.at
        self._bits = 8 * source.left()
        self._class = 20  # of the last number

    def _peek(self, n):
        _need(self._at + n <= self._bits, "bits end early")
        first = self._source.at + (self._at >> 3)
        last = self._source.at + ((self._at + n + 7) >> 3)
        value = int.from_bytes(self._source.data[first:last], "little") >> (self._at & 7)
        return value & ((1 << n) - 1)

    def get(self, n):
        value = self._peek(n)
        self._at += n
        return value

    def ones(self):
        """How many ones stand before the next zero, which is taken as well."""
        count = 0
        while self.get(1):
            count += 1
        return count

    def _rest(self, q, k):
        return (((1 << q) - 1) << k) + self.get(k + q)

    def golomb(self, k):
        return self._rest(self.ones(), k)

    def signed(self, k):
        return _unfold(self.golomb(k))

    def number(self):
        """Its length goes before it, told from the length of the number before."""
        self._class += self.signed(2)
        length = self._class & 63
        _need(0 <= self._class < 128 and length <= 55, "no such number")
        value = self.get(length - 1) | 1 << (length - 1) if length else 0
        return -value if self._class > 63 else value

    def double(self):
        return struct.unpack("<d", struct.pack("<Q", self.get(64)))[0]

    def residuals(self, golomb, k, n):
        if k == 0 and self._at + n <= self._bits and self._peek(n) == 0:
            self._at += n  # what was predicted came, as synthetic values do
            return [0] * n
        heads = [self.ones() for _ in range(n)]
        if golomb:
            return [_unfold(self._rest(q, k)) for q in heads]
        return [_unfold((q << k) + self.get(k) & _MASK) for q in heads]

    def at(self):
        return self._at

    def close(self):
        """Moves the source behind the last byte that was begun."""
        _need(self.get(-self._at % 8) == 0, "filling is not zero")
        self._source.take(self._at >> 3)


def _times(bits, begin):
    """A count, then the times."""
    n = bits.golomb(3) + 1
    _need(n <= 65536, "too many times")
    times = [begin + bits.golomb(5)]
    if n == 1:
        return times
    step = bits.golomb(13)
    changes = [0] * (n - 2)
    if bits.get(1):
        golomb, k = bits.get(1), bits.get(5)
        changes = bits.residuals(golomb, k, n - 2)
    times.append(times[0] + step)
    for change in changes:
        step += change
        times.append(times[-1] + step)
    return times


def _runs(bits, n):
    k_length, k = bits.get(5), bits.get(5)
    values, left, runs = [], n, bits.golomb(2) + 2
    value = bits.number()
    for _ in range(runs - 1):
        length = bits.golomb(k_length) + 1
        _need(length < left, "runs are too long")
        left -= length
        values += [value] * length
        value = _wrap(value + _unfold(bits.golomb(k) + 1))
    return values + [value] * left


def _xored(bits, n):
    end = bits.golomb(6)
    end += bits.at()
    last, lead, length = bits.get(64), 0, 0
    out = [last]
    for _ in range(n - 1):
        if bits.get(1):
            if bits.get(1):
                lead, length = bits.get(6), bits.get(6) + 1
            _need(0 < length and lead + length <= 64, "no window")
            last ^= bits.get(length) << (64 - lead - length)
        out.append(last)
    _need(bits.at() == end, "values end elsewhere")
    return [struct.unpack("<d", struct.pack("<Q", v))[0] for v in out]


def _unscaled(value, scale, shift):
    return value * 2.0 ** shift if scale == 7 else value / 10.0 ** scale


_ZERO, _CONSTANT, _PREDICTED, _RUNS, _XOR, _DOUBLE = range(6)


class _Numbers:
    """Reads the numbers of column after column; each may refer to what the one before has said."""

    def __init__(self, bits):
        self._bits = bits
        self._encoding, self._predictor, self._golomb, self._k, self._scale = _PREDICTED, 0, 0, 6, (0, 0)

    def _stated_scale(self):
        scale = self._bits.get(3)
        return scale, self._bits.get(6) if scale == 7 else 0

    def _read_encoding(self):
        bits = self._bits
        if not bits.get(1):
            return
        self._encoding = bits.get(2)
        if self._encoding == _PREDICTED and bits.get(1):
            self._predictor, self._golomb = bits.get(3), bits.get(1)
        elif self._encoding == _RUNS:
            self._encoding += bits.get(2)
        _need(self._encoding <= _DOUBLE, "no such encoding")

    def _predicted(self, n):
        bits, shift = self._bits, self._predictor & 3
        self._k += bits.signed(1)
        _need(0 <= self._k < 32, "no such parameter")
        values = [bits.number()]
        if self._predictor < 4:
            level = values[0]
            for r in bits.residuals(self._golomb, self._k, n - 1):
                values.append(_wrap(level + r))
                level = _wrap(level + (r >> shift))
            return values
        slope = bits.signed(min(self._k + 1, 31))
        values.append(_wrap(values[0] + slope))
        for r in bits.residuals(self._golomb, self._k, n - 2):
            values.append(_wrap(values[-1] + slope + r))
            slope = _wrap(slope + (r >> shift))
        return values

    def next(self, n):
        if n == 0:
            return []
        self._read_encoding()
        if self._encoding == _ZERO:
            return [0.0] * n
        if self._encoding == _CONSTANT:
            scale = self._stated_scale() if self._bits.get(1) else (0, 0)
            return [_unscaled(self._bits.number(), *scale)] * n
        if self._encoding == _DOUBLE:
            return [self._bits.double()] * n
        _need(n > 1, "one value is a constant")
        if self._encoding == _XOR:
            return _xored(self._bits, n)
        if self._bits.get(1):
            self._scale = self._stated_scale()
        whole = self._predicted(n) if self._encoding == _PREDICTED else _runs(self._bits, n)
        return [_unscaled(v, *self._scale) for v in whole]


class _Columns:
    """Reads column after column and carries what a plain one takes from the one before."""

    def __init__(self, bits, shared, begin):
        self._bits, self._shared, self._begin = bits, shared, begin
        self._numbers = _Numbers(bits)
        self._id = self._time = 0

    def next(self):
        """(series number of the spool, times, values); None is a value that was not known."""
        bits = self._bits
        extra = bits.get(3) if bits.get(1) else 0
        self._id += bits.golomb(2) + 2 if extra & 1 else 1
        where = bits.golomb(1) if extra & 2 else self._time + 1
        if where:
            self._time = where - 1
            _need(self._time < len(self._shared), "no such time column")
            times = self._shared[self._time]
        else:
            times = _times(bits, self._begin)
        known = self._known(len(times)) if extra & 4 else [True] * len(times)
        numbers = self._numbers.next(sum(known))
        _need(all(v == v for v in numbers), "a value is no number")  # an infinite one is a value
        values = iter(numbers)
        return self._id, times, [next(values) if is_known else None for is_known in known]

    def _known(self, n):
        known = []
        for _ in range(self._bits.golomb(0) + 1):
            reason, count = self._bits.get(3), self._bits.golomb(3) + 1
            _need(len(known) + count <= n, "unknown values differ from the times")
            known += [reason == 0] * count
        _need(len(known) == n, "unknown values differ from the times")
        return known


def _section(raw, wanted):
    source = _Bytes(raw)
    while source.left():
        tag, size = source.number(), source.number()
        if tag == wanted:
            _need(size <= source.left(), "a section ends early")
            return _Bytes(raw, source.at, source.at + size)
        source.take(size)
    return None


def columns(raw, begin, n_samples):
    """All columns of a raw body; begin is the header's event begin, n_samples its count."""
    if n_samples == 0:
        return []
    shared, found = [], _section(raw, 1)
    if found is not None:
        n = found.number()
        bits = _Bits(found)
        shared = [_times(bits, begin) for _ in range(n)]
        bits.close()
    source = _section(raw, 2)
    _need(source is not None, "there are no columns")
    n = source.number()
    bits = _Bits(source)
    reader = _Columns(bits, shared, begin)
    out = [reader.next() for _ in range(n)]
    bits.close()
    _need(source.left() == 0 and sum(len(c[1]) for c in out) == n_samples, "the count of samples differs")
    return out


def _sequence(source, n):
    bits = _Bits(source)
    numbers = _Numbers(bits).next(n)
    bits.close()
    return numbers


def thinned(raw, found):
    """{series number: one a value of its column: (lowest, highest, how many it stands for), or None where it is
    itself}; found: what columns() gave."""
    source = _section(raw, 5)
    if source is None:
        return {}
    values_of, out, series = {number: values for number, _, values in found}, {}, 0
    for _ in range(source.number()):
        series += source.number()
        size = source.number()
        part = _Bytes(raw, source.at, source.at + size)
        source.take(size)
        _need(series in values_of, "thinned values without a column")
        values = values_of[series]
        counts = _sequence(part, sum(value is not None for value in values))
        several = sum(count > 1 for count in counts)
        bounds = zip(_sequence(part, several), _sequence(part, several))
        counts = iter(counts)
        out[series] = [None if value is None or (count := next(counts)) <= 1 else (*next(bounds), int(count))
                       for value in values]
        _need(part.left() == 0, "bytes are left behind a series")
    return out


def events(raw, n_events):
    """[(boot time in ms, type, the caller's id, the bytes of all of it)]"""
    if n_events == 0:
        return []
    source, out, at = _section(raw, 3), [], 0
    _need(source is not None, "there are no events")
    for _ in range(n_events):
        at += source.signed()
        begin = source.at
        kind, name = source.text(), source.text()
        for _ in range(source.number()):
            source.text()
            _attribute(source)
        out.append((at, kind, name, source.data[begin:source.at]))
    _need(source.left() == 0, "bytes are left behind the events")
    return out


def _attribute(source):
    kind = source.byte()
    if kind == 1:
        source.text()
    elif kind == 2:
        source.take(8)
    elif 8 <= kind <= 14:
        source.signed()
    else:
        _need(kind in (0, 3, 4), "no such kind of attribute")
