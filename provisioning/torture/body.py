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
    """Bits of bytes, the lowest of a byte first."""

    def __init__(self, source):
        self._source = source
        self._at = 0  # bit, counted from source.at
        self._bits = 8 * source.left()

    def get(self, n):
        _need(self._at + n <= self._bits, "bits end early")
        first = self._source.at + (self._at >> 3)
        last = self._source.at + ((self._at + n + 7) >> 3)
        value = int.from_bytes(self._source.data[first:last], "little") >> (self._at & 7)
        self._at += n
        return value & ((1 << n) - 1)

    def ones(self):
        """How many ones stand before the next zero, which is taken as well."""
        count = 0
        while self.get(1):
            count += 1
        return count

    def close(self):
        """Moves the source behind the last byte that was begun."""
        _need(self.get(-self._at % 8) == 0, "filling is not zero")
        self._source.take(self._at >> 3)


def _residuals(source, golomb, k, n):
    size = (n + 7) // 8
    if k == 0 and source.data[source.at:source.at + size] == bytes(size):
        source.take(size)  # what was predicted came, as synthetic values do
        return [0] * n
    bits = _Bits(source)
    heads = [bits.ones() for _ in range(n)]
    out = []
    for q in heads:
        if golomb:
            out.append((((1 << q) - 1) << k) + bits.get(k + q))
        else:
            out.append(((q << k) + bits.get(k)) & _MASK)
    bits.close()
    return [_unfold(u) for u in out]


def _times(source, begin):
    n = source.number()
    _need(0 < n <= 65536, "a column without times")
    how = source.byte() if n > 1 else 0
    times = [begin + source.number()]
    if n == 1:
        return times
    step = source.number()
    changes = [0] * (n - 2)
    if how:
        changes = _residuals(source, how >> 5 == 2, how & 31, n - 2)
    times.append(times[0] + step)
    for change in changes:
        step += change
        times.append(times[-1] + step)
    return times


def _predicted(source, golomb, k, predictor, n):
    shift = predictor & 3
    values = [source.signed()]
    if predictor < 4:
        level = values[0]
        for r in _residuals(source, golomb, k, n - 1):
            values.append(_wrap(level + r))
            level = _wrap(level + (r >> shift))
        return values
    slope = source.signed()
    values.append(_wrap(values[0] + slope))
    for r in _residuals(source, golomb, k, n - 2):
        values.append(_wrap(values[-1] + slope + r))
        slope = _wrap(slope + (r >> shift))
    return values


def _runs(source, n):
    values, last = [], 0
    for _ in range(source.number()):
        last = _wrap(last + source.signed())
        length = source.number() + 1
        _need(len(values) + length <= n, "runs are too long")
        values += [last] * length
    _need(len(values) == n, "runs are too short")
    return values


def _xored(source, n):
    size = source.number()
    inner = _Bytes(source.data, source.at, source.at + size)
    source.take(size)
    last = int.from_bytes(inner.take(8), "little")
    bits, lead, length, out = _Bits(inner), 0, 0, [last]
    for _ in range(n - 1):
        if bits.get(1):
            if bits.get(1):
                lead, length = bits.get(6), bits.get(6) + 1
            _need(0 < length and lead + length <= 64, "no window")
            last ^= bits.get(length) << (64 - lead - length)
        out.append(last)
    return [struct.unpack("<d", struct.pack("<Q", v))[0] for v in out]


def _unscaled(value, scale, shift):
    return value * 2.0 ** shift if scale == 7 else value / 10.0 ** scale


def _numbers(source, encoding, scale, shift, n):
    if encoding == 1:
        return [source.double()] * n
    if encoding == 5:
        return _xored(source, n)
    if encoding == 0:
        return [_unscaled(source.signed(), scale, shift)] * n if n else []
    _need(encoding in (2, 3, 4), "no such encoding")
    if encoding == 4:
        whole = _runs(source, n)
    else:
        how = source.byte()
        whole = _predicted(source, encoding == 3, how & 31, how >> 5, n)
    return [_unscaled(v, scale, shift) for v in whole]


class _Columns:
    """Reads column after column and carries what a short one takes from the one before."""

    def __init__(self, source, shared, begin):
        self._in, self._shared, self._begin = source, shared, begin
        self._id = self._time = self._scale = self._shift = 0

    def _shared_times(self):
        _need(self._time < len(self._shared), "no such time column")
        return self._shared[self._time]

    def next(self):
        """(series number of the spool, times, values); None is a value that was not known."""
        head = self._in.byte()
        if head & 0x80:
            return self._long(head)
        self._id += 1
        times = self._shared_times()
        whole = _predicted(self._in, False, head & 15, head >> 4, len(times))
        return self._id, times, [_unscaled(v, self._scale, self._shift) for v in whole]

    def _long(self, head):
        source, scale, shift = self._in, head >> 3 & 7, 0
        extra = source.byte() if head & 0x40 else 0
        if scale == 7:
            shift = source.byte()
        self._id += source.number() if extra & 1 else 1
        where = source.number() if extra & 2 else self._time + 1
        if where:
            self._time = where - 1
            times = self._shared_times()
        else:
            times = _times(source, self._begin)
        known = [True] * len(times)
        if extra & 4:
            known = []
            for _ in range(source.number()):
                run = source.number()
                known += [run & 7 == 0] * (run >> 3)
            _need(len(known) == len(times), "unknown values differ from the times")
        values = iter(self._values(head & 7, scale, shift, sum(known)))
        return self._id, times, [next(values) if is_known else None for is_known in known]

    def _values(self, encoding, scale, shift, n):
        if encoding in (2, 3, 4):
            self._scale, self._shift = scale, shift
        return _numbers(self._in, encoding, scale, shift, n)


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
        shared = [_times(found, begin) for _ in range(found.number())]
    source = _section(raw, 2)
    _need(source is not None, "there are no columns")
    reader = _Columns(source, shared, begin)
    out = [reader.next() for _ in range(source.number())]
    _need(source.left() == 0 and sum(len(c[1]) for c in out) == n_samples, "the count of samples differs")
    return out


def _sequence(source, n):
    head = source.byte()
    return _numbers(source, head & 7, head >> 3, source.byte() if head >> 3 == 7 else 0, n)


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
