"""Messages that no honest agent sends, made from a seed: cut, flipped, overlong, nested, swollen, of another
device, on another topic. Each comes with the reason for which the collector must set it aside.

What is only damaged at random is bad when the independent reader of tests/contract refuses it; what
that reader takes is thrown away, so the two readers are held against each other here, too.
"""

import functools
import random
import struct
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

from .builds import SOURCE

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "contract"))
import wire_decoder  # noqa: E402

MESSAGE_MAX = wire_decoder.MESSAGE_MAX
RAW_MAX = wire_decoder.RAW_MAX
PACKET_MAX = 270_000  # what the broker lets through, less topic and header


@dataclass(frozen=True)
class Poison:
    kind: str
    leaf: str  # the last word of the topic
    payload: bytes
    reason: str
    retain: bool = False
    wrong_part: bool = False


# ---- whole messages, to begin with ----


def varint(n: int) -> bytes:
    out = bytearray()
    while True:
        n, low = n >> 7, n & 0x7F
        out.append(low | (0x80 if n else 0))
        if not n:
            return bytes(out)


def zigzag(n: int) -> bytes:
    return varint((n << 1) ^ (n >> 63) if n >= 0 else (-n << 1) - 1)


FROM_AGENT = {"hello": "hello", "gone": "hello", "presence": "presence", "batch": "live", "dictionary": "live",
              "clock": "live"}
FROM_CENTRE = {"answer": "receipt", "receipt": "receipt", "question": "receipt", "centre": "centre"}


def golden(leaves: dict) -> dict:
    """Golden vectors: name -> (leaf of its topic, bytes)."""
    out = {}
    for file in sorted((SOURCE / "tests" / "data" / "wire").glob("*.hex")):
        text = "".join(line.split("#")[0].strip() for line in file.read_text().splitlines())
        leaf = leaves.get(file.stem.split("-")[0])
        if leaf:
            out[file.stem] = (leaf, bytes.fromhex(text))
    return out


@functools.cache
def vectors() -> dict:
    """Those that an agent sends."""
    return golden(FROM_AGENT)


def batch(spool: bytes, seq: int, raw: bytes, body: bytes = None, samples=0, events=0, gaps=0, raw_size=None, stream=1,
          next_seq=None) -> bytes:
    """A batch of one minute; body: the raw one stored as it is unless given."""
    body, size = (raw, None) if body is None else (body, raw_size or len(raw))
    kind = stream | (8 if events else 0) | (16 if gaps else 0) | (0 if size is None else 32)
    next_seq = next_seq or seq + 1
    return (b"BL\x01\x03" + spool + bytes([0xB0] * 16) + bytes([kind]) + varint(seq) + zigzag(0) + varint(60_000)
            + zigzag(0) + varint(60_000 if samples or events else 0) + varint(1) + varint(samples)
            + b"".join(varint(n) for n in (events, gaps) if n) + (b"" if size is None else varint(size))
            + struct.pack("<I", zlib.crc32(raw)) + varint(next_seq - seq - 1) + varint(next_seq - 1) + body)


def events_body(texts) -> bytes:
    """The raw body of a batch with one event a text."""
    one = b"".join(varint(1000 if n else 0) + varint(4) + b"note" + varint(0) + varint(1) + varint(1) + b"t" + b"\x01"
                   + varint(len(t)) + t for n, t in enumerate(texts))
    return varint(3) + varint(len(one)) + one


# ---- bombs ----


@functools.cache
def zeros(layers: int, size: int) -> bytes:
    """`size` zeros, deflated `layers` times; made in pieces, so that 10 GB cost no memory here."""
    piece = bytes(1 << 20)
    deflate = zlib.compressobj(9)
    head = deflate.compress(piece) + deflate.flush(zlib.Z_FULL_FLUSH)
    again = deflate.compress(piece) + deflate.flush(zlib.Z_FULL_FLUSH)  # is the same for every further piece
    out = head + again * (size // len(piece) - 1) + deflate.flush()
    for _ in range(layers - 1):
        out = zlib.compress(out, 9)
    return out


def bombs(spool: bytes):
    """(what it is, message): much behind few bytes, and lies about how much."""
    ten_gb = zeros(3, 10 << 30)  # 10 MB after the first layer, some KB after the next two
    seq = 1 << 20
    for name, body in (("10 GB, nested", ten_gb), ("10 MB", zeros(1, 10 << 20)), ("4 MiB and one", zeros(1, 5 << 20)),
                       ("zlib in zlib in zlib", zlib.compress(zlib.compress(zlib.compress(bytes(1000)))))):
        for stated in (len(body), len(body) + 1, 4096, 4097, 100 * len(body), 100 * len(body) + 100, RAW_MAX, RAW_MAX + 1,
                       1 << 31, (1 << 63) - 1, 1 << 63, (1 << 64) - 1):
            for counts in ({}, {"samples": 65536}, {"events": 8192}, {"gaps": 4096}):
                seq += 1
                message = batch(spool, seq, bytes(10), body, raw_size=stated, **counts)
                if len(message) <= MESSAGE_MAX:
                    yield f"bomb: {name}, says {stated}", message


# ---- damage ----


def cut(rng, b):
    return b[:rng.randrange(len(b))]


def flip(rng, b):
    out = bytearray(b)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8, 40))):
        out[rng.randrange(3, len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def huge(rng, b):
    """A number of 2^63 and more in place of some bytes."""
    at = rng.randrange(4, len(b))
    number = varint(rng.choice(((1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 32, 1 << 31)))
    return b[:at] + number + b[at + rng.randrange(0, 9):]


def overlong(rng, b):
    at = rng.randrange(4, len(b))
    return b[:at] + b"\x80" * rng.choice((1, 2, 9, 10, 11, 70)) + rng.choice((b"\0", b"\x01", b"\x7f")) + b[at:]


def splice(rng, b):
    other = rng.choice(list(vectors().values()))[1]
    return b[:rng.randrange(4, len(b))] + other[rng.randrange(len(other)):]


def repeat(rng, b):
    begin = rng.randrange(4, len(b))
    end = rng.randrange(begin, len(b)) + 1
    return b[:end] + b[begin:end] * rng.choice((1, 2, 100)) + b[end:]


def tail(rng, b):
    return b + rng.randbytes(rng.choice((1, 2, 100, 5000)))


DAMAGE = (cut, flip, flip, huge, overlong, splice, repeat, tail)


def refused(message: bytes) -> bool:
    try:
        wire_decoder.decode(message)
    except (wire_decoder.Corrupt, wire_decoder.Newer):
        return True
    return False


def noise(rng):
    body = rng.randbytes(rng.choice((0, 1, 3, 4, 40, 1000, 60_000)))
    return rng.choice((b"", b"BL", b"BL\x01", b"BL\x01" + bytes([rng.randrange(256)]), b"BL\x02\x03", b"\x78\x9c")) + body


def corpus(seed: int, n: int, spool: bytes, foreign_spool: bytes):
    """n of them. spool: of the sender, whose batch 1 is in the store already, with another content than any here;
    foreign_spool: of a device that the collector knows."""
    rng = random.Random(seed)
    out = [Poison(kind, rng.choice(("live", "past")), message, "undecodable") for kind, message in bombs(spool)]
    whole = [(leaf, b) for leaf, b in vectors().values()]
    body = events_body([b"x" * 100])
    for i in range(n // 25):
        leaf, message = rng.choice(whole)
        out.append(Poison("wrong part", leaf, message, "wrong_part", wrong_part=True))
        leaf, message = rng.choice([w for w in whole if w[0] != "presence"])
        out.append(Poison("retained", leaf, message + bytes([i & 255, i >> 8]), "retained", retain=True))
        out.append(Poison("foreign spool", rng.choice(("live", "past")), batch(foreign_spool, i + 1, body, events=1),
                          "foreign_identity"))
        out.append(Poison("another's name", "hello", vectors()["hello"][1], "foreign_identity"))
        out.append(Poison("another content", "live", batch(spool, 1, events_body([b"other %d" % i]), events=1), "conflict"))
        leaf, message = rng.choice([w for w in whole if w[0] == "live"])
        out.append(Poison("does not belong there", rng.choice(("hello", "presence")), message, "undecodable"))
        out.append(Poison("noise", rng.choice(("hello", "live", "past")), noise(rng), "undecodable"))
    for i in range(n // 250):
        out.append(Poison("too large", "live", rng.randbytes(rng.randrange(MESSAGE_MAX + 1, PACKET_MAX)), "oversized"))
    while len(out) < n:
        leaf, message = rng.choice(whole)
        damage = rng.choice(DAMAGE)
        message = damage(rng, message)
        if len(message) <= MESSAGE_MAX and not (leaf == "presence" and not message) and refused(message):
            out.append(Poison(damage.__name__, leaf, message, "undecodable"))
    rng.shuffle(out)
    return out[:n]


# ---- a centre gone mad ----


def section(tag: int, content: bytes) -> bytes:
    return varint(tag) + varint(len(content)) + content


def receipt(spool: bytes, epoch: bytes, contiguous: int, beyond=b"\0", aside=b"\0", credit=1 << 20, dictionary=0) -> bytes:
    state = spool + epoch + zigzag(1_790_000_000_000) + varint(credit) + varint(dictionary) + varint(0)
    return b"BL\x01\x06" + section(1, state) + b"".join(
        section(3, bytes([stream]) + varint(contiguous) + beyond + aside) for stream in (1, 2, 3))


def question(spool: bytes, need: bytes) -> bytes:
    return (b"BL\x01\x0a" + section(1, spool) + b"".join(section(2, bytes([s]) + need) for s in (1, 2, 3))
            + section(3, varint(1)) + section(4, varint(1)))


def centre(epoch: bytes, start: bytes, floor: int) -> bytes:
    return b"BL\x01\x08" + section(1, epoch + start + zigzag(1_790_000_000_000) + varint(floor))


def ranges(rng, n: int, most: int) -> bytes:
    """n ranges up to most, as far apart and as long as they can be."""
    return varint(n) + b"".join(varint(1 + rng.randrange(most // (2 * n))) + varint(rng.randrange(most // (2 * n)))
                                for _ in range(n))


def madness(seed: int, n: int, device: str, spool: bytes):
    """n of (topic, payload, retain) for an agent: nothing of it is what its centre would say. Only the clock is left alone:
    a centre's time is believed."""
    rng = random.Random(seed)
    down, most = f"bl/1/down/{device}/receipt", (1 << 64) - 2
    whole = [b for _, b in golden(FROM_CENTRE).values()]
    for i in range(n):
        epoch, any_spool = rng.choice((bytes(16), b"\xee" * 16, rng.randbytes(16))), rng.choice((spool, rng.randbytes(16)))
        yield rng.choice((
            (down, receipt(any_spool, epoch, rng.choice((0, 1, 5, 1 << 40, most)), credit=rng.choice((0, 1, 0xFFFFFFFF)),
                           dictionary=rng.choice((0, 1, 65536))), False),
            (down, receipt(any_spool, epoch, 0, ranges(rng, 64, most), ranges(rng, 64, most)), False),
            (down, question(any_spool, ranges(rng, 64, most)), False),
            (down, rng.randbytes(rng.choice((0, 3, 65_536))), False),
            (down, b"BL\x01" + bytes([rng.randrange(256)]) + rng.randbytes(rng.choice((0, 40, 65_536))), False),
            (down, rng.choice(DAMAGE)(rng, rng.choice(whole)), False),
            (down, rng.choice(whole), True),
            (f"bl/1/down/{device}/{rng.choice(('config', 'command'))}", rng.choice(whole), False),
            ("bl/1/centre", rng.choice(DAMAGE)(rng, rng.choice(whole)), False),
            ("bl/1/centre", centre(epoch, rng.randbytes(16), rng.choice((0, 1000, 0xFFFFFFFF))), i % 2 == 0),
        ))
