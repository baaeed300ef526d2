"""The wire, read twice: by shared/codec (through wire_tool) and by wire_decoder.py.

Golden vectors are tests/data/wire/NAME.hex with NAME.json beside it.  They are
never made anew; to add one, see README.md in that folder.
"""

import json
import os
import pathlib
import random
import struct
import subprocess
import zlib

import pytest

import wire_decoder
from wire_decoder import MASK

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "wire"
NAMES = sorted(p.stem for p in DATA.glob("*.hex"))


def tool():
    folders = [os.environ.get("BL_BUILD"), ROOT / "build" / "asan-ubsan", ROOT / "build" / "dev"]
    for folder in folders:
        for place in ("tests/wire_tool", "wire_tool"):
            path = pathlib.Path(folder or "/nonexistent") / place
            if path.is_file():
                return path
    pytest.fail("wire_tool is not built: run tests/run, or set BL_BUILD to a build folder")


def run(*args, lines=()):
    done = subprocess.run([tool(), *args], input="".join(line + "\n" for line in lines),
                          capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout.splitlines()


def by_codec(messages):
    """What shared/codec makes of each."""
    return [json.loads(line) for line in run("decode", lines=[m.hex() for m in messages])]


def by_page(message):
    try:
        return wire_decoder.decode(message)
    except wire_decoder.Corrupt as e:
        return {"refused": "corrupt", "reason": str(e)}
    except wire_decoder.Newer as e:
        return {"refused": "newer_version", "reason": str(e)}


def exact(value):
    """The same with every double as its bits: -0.0 is not 0.0, 1.0 is not 1."""
    if isinstance(value, float):
        return struct.pack("<d", value).hex()
    if isinstance(value, dict):
        return {k: exact(v) for k, v in value.items() if k != "reason" or "refused" not in value}
    return [exact(v) for v in value] if isinstance(value, list) else value


def golden(name):
    return bytes.fromhex((DATA / (name + ".hex")).read_text())


def expected(name):
    return json.loads((DATA / (name + ".json")).read_text())


def test_there_are_vectors_of_every_message_type():
    assert {expected(n)["type"] for n in NAMES} == {name for name, _ in wire_decoder.TYPES.values()}


@pytest.mark.parametrize("name", NAMES)
def test_the_codec_reads_a_golden_vector_as_ever(name):
    assert exact(by_codec([golden(name)])[0]) == exact(expected(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_page_reads_a_golden_vector_as_ever(name):
    assert exact(by_page(golden(name))) == exact(expected(name))


def test_the_example_on_the_page_is_the_golden_presence():
    page = (ROOT / "shared" / "WIRE.md").read_text()
    block = page[page.index("## 6. An example") :].split("```")[1]
    assert bytes.fromhex("".join(line[:50] for line in block.splitlines())) == golden("presence")


@pytest.mark.parametrize("seed", range(1, 6))
def test_both_read_what_the_codec_writes(seed):
    messages = [bytes.fromhex(line) for line in run("random", str(seed), "60")]
    for message, read in zip(messages, by_codec(messages), strict=True):
        assert "refused" not in read, message.hex()
        assert exact(by_page(message)) == exact(read), message.hex()


def agree(damaged):
    refused = 0
    for message, read in zip(damaged, by_codec(damaged), strict=True):
        assert exact(by_page(message)) == exact(read), message.hex()
        refused += "refused" in read
    return refused


@pytest.mark.parametrize("name", NAMES)
def test_a_message_that_ends_early_is_refused_by_both(name):
    whole = golden(name)
    # Where an optional section begins, what lies before it is a message of its own.
    shorter = {len(golden("hello"))} if name == "hello-unknown-section" else set()
    if name == "question":
        shorter = {22, 28, 36}
    if name == "report":
        at, shorter = 4, set()
        while at < len(whole):
            at += 2 + whole[at + 1]  # a tag of one byte, a length of one
            shorter.add(at)
    cut = [whole[:n] for n in range(len(whole)) if n not in shorter]
    assert agree(cut) == len(cut)


@pytest.mark.parametrize("name", NAMES)
def test_both_agree_on_every_flipped_bit(name):
    whole = golden(name)
    step = max(1, len(whole) * 8 // 700)
    flipped = []
    for bit in range(0, len(whole) * 8, step):
        b = bytearray(whole)
        b[bit // 8] ^= 1 << bit % 8
        flipped.append(bytes(b))
    agree(flipped)


def stored(message):
    """The same batch with its body stored; where the body begins; where its checksum is."""
    r = wire_decoder.Reader(message[4:])
    size = wire_decoder.batch_header(r)["raw_size"]
    head, checksum = message[: 4 + r.at], 4 + r.at - 16 - 4
    body = r.take(r.varint())
    raw = body if len(body) == size else zlib.decompress(body)
    head += varint(size)
    return head + raw, len(head), checksum


def with_checksum(message, body, checksum):
    crc = struct.pack("<I", zlib.crc32(message[body:]))
    return message[:checksum] + crc + message[checksum + 4 :]


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("batch") and n != "batch-empty"])
def test_both_agree_on_a_damaged_body_whose_checksum_is_right(name):
    """The checksum would hide every other check of a body: make it fit the damage."""
    rng = random.Random(name)
    whole, body, checksum = stored(golden(name))
    assert exact(by_page(whole)) == exact(expected(name))
    damaged = []
    for _ in range(600):
        b = bytearray(whole)
        for _ in range(rng.choice([1, 1, 1, 2, 5])):
            b[rng.randrange(body, len(b))] = rng.choice([rng.randrange(256), 0, 255, 128])
        damaged.append(with_checksum(bytes(b), body, checksum))
    refused = agree(damaged)
    assert 20 < refused < 600, "the damage tests nothing"


def varint(v):
    out = bytearray()
    while v >= 0x80:
        out.append(v & 0x7F | 0x80)
        v >>= 7
    return bytes(out + bytes([v]))


def batch(raw_size, body, crc=0, samples=0, event_ms=0, dict_version=0):
    """A batch made by hand; its times begin at 0."""
    return (b"BL\1\3" + b"\x11" * 16 + b"\x22" * 16 + bytes([3, 0, 1, 0, 0, 0]) + varint(event_ms) +
            varint(dict_version) + varint(samples) + bytes([0, 0]) + varint(raw_size) +
            struct.pack("<IQQ", crc, 2, 1) + varint(len(body)) + body)


def stored_batch(sections, **header):
    raw = b"".join(varint(tag) + varint(len(content)) + content for tag, content in sections)
    return batch(len(raw), raw, zlib.crc32(raw), **header)


def bits(text):
    """"1 01": the bits as they come, lowest of a byte first, filled up with zeros."""
    digits = text.replace(" ", "")
    return bytes(int(digits[i : i + 8][::-1], 2) for i in range(0, len(digits), 8))


THREE = bytes([1, 3, 0, 0, 5])  # one shared time column: 0, 5, 10
NAN, INF = struct.pack("<d", float("nan")), struct.pack("<d", float("inf"))
F64 = struct.pack("<d", 0.1)


@pytest.mark.parametrize("fine, column", [
    (True, b"\x80\x02"),  # constant 1
    (True, b"\x00\x02" + bits("0 0")),  # short form, level, k 0
    (True, b"\x40\x02\x02" + bits("0")),  # short form, slope
    (False, b"\x00\x02" + bits("0 0 1")),  # filling is not zero
    (False, b"\x00\x02"),  # no bits
    (False, b"\x05\x02" + bits("0 0")),  # no rests
    (False, b"\x0f\x02" + bits("0 0 0000000000")),
    (False, b"\xc0\x02\x00" + varint(2000) + b"\x00\x00\x00\x02"),  # more times than samples
    (False, b"\x81" + NAN),
    (False, b"\x81" + INF),
    (True, b"\x81" + F64),
    (False, b"\x89" + F64),  # XOR and constants have no scale
    (False, b"\x86\x02"),  # no such encoding
    (False, b"\x87\x02"),
    (False, b"\xc0\x00\x02"),  # an extra byte of nothing
    (False, b"\xc0\x08\x02"),  # a flag that is not in use
    (False, b"\xc0\x01\x00\x02"),  # the same series again
    (True, b"\xc0\x01\x05\x02"),
    (False, b"\xc0\x01\x0b\x02"),  # series 11 of 10
    (True, b"\xc0\x02\x01\x02"),  # times as before, said aloud
    (False, b"\xc0\x02\x02\x02"),  # no such time column
    (True, b"\xc0\x02\x00\x03\x00\x01\x02\x02"),  # own times: 1, 3, 5
    (False, b"\xc0\x02\x00\x03\x00\x01\x05\x02"),  # 1, 6, 11 leaves the range
    (True, b"\xc0\x02\x00\x03\x20\x01\x05" + bits("10") + b"\x02"),  # 1, 6, 10
    (False, b"\xc0\x02\x00\x03\x22\x05\x00" + bits("0 10") + b"\x02"),  # 5, 5, 4 with k = 2
    (False, b"\xc0\x02\x00\x03\x20\x05\x00" + bits("10") + b"\x02"),  # 5, 5, 4
    (False, b"\xc0\x02\x00\x00\x00\x02"),  # no times
    (True, b"\xc0\x04\x01\x19"),  # all three unknown: unreadable
    (False, b"\xc0\x04\x01\x1d"),  # a reason that is not in use
    (False, b"\xc0\x04\x01\x11"),  # two of three
    (False, b"\xc0\x04\x02\x19\x01"),  # three and none
    (False, b"\xc8\x04\x01\x19"),  # a scale of nothing
    (True, b"\xc0\x04\x02\x11\x08\x02"),  # two unknown, one known
    (False, b"\xc2\x04\x02\x11\x08\x00\x02"),  # one value is a constant
    (True, b"\x83\x1f\x00" + bits("1" * 32 + "0 0" + "0" * 63 + "0" * 31)),  # k + q = 63
    (False, b"\x83\x1f\x00" + bits("1" * 33 + "0 0" + "0" * 64 + "0" * 31)),  # k + q = 64
    (True, b"\x84\x02\x02\x01\x02\x00"),  # runs: 1 1 2
    (False, b"\x84\x02\x02\x01\x02\x01"),  # four
    (False, b"\x84\x01\x02\x01"),  # two
    (True, b"\x85\x09" + F64 + bits("0 0")),
    (False, b"\x85\x08" + F64),  # no bits
    (False, b"\x85\x0a" + F64 + bits("0 0 000000 00000000")),  # a byte too many
    (False, b"\x85\x09" + F64 + bits("0 0 1")),
    (False, b"\x85\x09" + F64 + bits("0 10")),  # no window yet
    (True, b"\x85\x0a" + F64 + bits("0 11 111111 000000 1")),
    (False, b"\x85\x0b" + F64 + bits("0 11 111111 100000 11")),  # the window leaves the number
    (False, b"\x85\x0b" + F64 + bits("0 11 100000 110100 1111")),
    (True, b"\xb8\x3f\x02"),  # 2^63
    (False, b"\xb8\x40\x02"),  # no such shift
])
def test_columns_made_by_hand(fine, column):
    n = 3
    message = stored_batch([(1, THREE), (2, b"\x01" + column)], samples=n, event_ms=10,
                           dict_version=10)
    assert agree([message]) == (not fine), by_page(message)


@pytest.mark.parametrize("fine, sections, samples", [
    (True, [], 0),
    (True, [(9, b"later")], 0),
    (False, [(1, THREE)], 0),  # times without columns
    (False, [(2, b"\x00")], 0),
    (False, [], 3),  # announced and missing
    (True, [(2, b"\x01\x80\x02"), (1, THREE)], 3),  # in any order
    (False, [(2, b"\x01\x80\x02"), (1, THREE), (1, THREE)], 3),
    (False, [(0, b""), (2, b"\x01\x80\x02"), (1, THREE)], 3),
    (False, [(2, b"\x01\x80\x02"), (1, THREE)], 2),
    (False, [(2, b"\x01\x80\x02"), (1, THREE)], 4),
    (False, [(2, b"\x01\x80\x02\x00"), (1, THREE)], 3),
    (False, [(2, b"\x00"), (1, THREE)], 3),
    (False, [(2, b"\x01\x80\x02"), (1, THREE + b"\x00")], 3),
    (False, [(2, b"\x01\x80\x02"), (1, THREE), (3, b"")], 3),  # not announced
    (False, [(2, b"\x01\x80\x02"), (1, varint(65) + THREE[1:] * 65)], 3),
    (True, [(2, b"\x01\x80\x02"), (1, varint(64) + THREE[1:] * 64)], 3),
    (True, [(2, b"\x01\x80\x02"), (1, b"\x02" + THREE[1:] + b"\x01\x0a")], 3),
])
def test_bodies_made_by_hand(fine, sections, samples):
    message = stored_batch(sections, samples=samples, event_ms=10 if samples else 0, dict_version=9)
    assert agree([message]) == (not fine), by_page(message)


@pytest.mark.parametrize("fine, thin", [
    (True, b"\x01\x01\x06" + b"\x00\x04\x00\x02\x00\x02"),  # each of three stands for two; 1, 1
    (True, b"\x01\x01\x0a" + b"\x04\x02\x02\x01\x3a\x00\x00\x02\x00\x04"),  # 1 1 30; 1, 2
    (True, b"\x01\x01\x09" + b"\x00" + varint(2 << 20) + b"\x00\x02\x00\x02"),
    (False, b"\x01\x01\x09" + b"\x00" + varint((2 << 20) + 2) + b"\x00\x02\x00\x02"),  # above the cap
    (False, b"\x01\x01\x02" + b"\x00\x02"),  # each for itself: not worth a word
    (False, b"\x01\x01\x06" + b"\x00\x00\x00\x02\x00\x02"),  # for none
    (False, b"\x01\x01\x06" + b"\x00\x01\x00\x02\x00\x02"),  # for -1
    (False, b"\x01\x01\x06" + b"\x08\x1f\x00\x02\x00\x02"),  # for one and six tenths
    (False, b"\x01\x01\x06" + b"\x00\x04\x00\x04\x00\x02"),  # lowest above highest
    (True, b"\x01\x01\x06" + b"\x00\x04\x00\x04\x00\x06"),  # neither need hold the value
    (False, b"\x01\x01\x0d" + b"\x00\x04\x01" + NAN + b"\x00\x02"),
    (False, b"\x01\x01\x0d" + b"\x00\x04\x00\x02\x01" + INF),
    (True, b"\x01\x01\x0d" + b"\x00\x04\x00\x00\x01" + F64),
    (False, b"\x01\x01\x0d" + b"\x00\x04\x00\x00\x09" + F64),  # it has no scale
    (False, b"\x01\x01\x04" + b"\x00\x04\x00\x02"),  # no highest
    (False, b"\x01\x01\x07" + b"\x00\x04\x00\x02\x00\x02\x00"),  # something behind it
    (False, b"\x01\x01\x06" + b"\x40\x04\x00\x02\x00\x02"),  # bits that are not in use
    (False, b"\x01\x01\x06" + b"\x80\x04\x00\x02\x00\x02"),
    (False, b"\x01\x01\x06" + b"\x06\x04\x00\x02\x00\x02"),  # no such encoding
    (False, b"\x01\x01\x05" + b"\x00\x04\x00\x02\x00"),  # cut off
    (False, b"\x01\x02\x06" + b"\x00\x04\x00\x02\x00\x02"),  # series 2, which is not here
    (False, b"\x01\x00\x06" + b"\x00\x04\x00\x02\x00\x02"),
    (False, b"\x02" + b"\x01\x06\x00\x04\x00\x02\x00\x02" * 2),
    (False, b"\x02" + b"\x01\x06\x00\x04\x00\x02\x00\x02"),  # one of two
    (False, b"\x00"),
    (False, b"\x04\x01\x06" + b"\x00\x04\x00\x02\x00\x02"),  # more series than samples
    (False, b"\x01\x01\x06" + b"\x00\x04\x00\x02\x00\x02" + b"\x00"),
    (False, b"\x01\x01\x00"),
    (False, b"\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),  # a length of 2^64 - 1
])
def test_thinned_samples_made_by_hand(fine, thin):
    message = stored_batch([(1, THREE), (2, b"\x01\x80\x02"), (5, thin)], samples=3, event_ms=10,
                           dict_version=9)
    assert agree([message]) == (not fine), by_page(message)


def test_thinned_samples_are_of_the_series_that_is_named():
    columns = (2, b"\x01\xc0\x01\x05\x02")  # series 5
    for series, refused in ((1, 1), (4, 1), (5, 0), (6, 1)):
        thin = (5, bytes([1, series]) + b"\x06\x00\x04\x00\x02\x00\x02")
        message = stored_batch([(1, THREE), columns, thin], samples=3, event_ms=10, dict_version=9)
        assert agree([message]) == refused, series


def test_thinned_samples_need_columns_and_come_once():
    thin, columns = (5, b"\x01\x01\x06\x00\x04\x00\x02\x00\x02"), [(1, THREE), (2, b"\x01\x80\x02")]
    header = {"samples": 3, "event_ms": 10, "dict_version": 9}
    assert agree([stored_batch([thin, *columns], **header)]) == 0, "in any order"
    assert agree([stored_batch([thin]), stored_batch([*columns, thin, thin], **header)]) == 2


@pytest.mark.parametrize("fine, ranges", [
    (True, [1, 5, 0]),  # 5
    (True, [2, 1, 0, 0, 0]),  # 1, 3
    (False, [0]),  # a question about nothing
    (False, [1, 0, 0]),  # seq 0
    (False, [1, MASK, 1]),  # past the last seq
    (True, [1, MASK, 0]),
    (True, [1, 1, MASK - 1]),
    (False, [2, MASK, 0, 0, 0]),  # another one behind the last seq
    (False, [2, MASK - 1, 0, 0, 0]),
    (False, [2, 1, 0, MASK, 0]),
    (False, [2, 1, 0]),
    (False, [1, 1, 0, 0]),
    (True, [64] + [1, 0] * 64),
    (False, [65] + [1, 0] * 65),
])
def test_ranges_made_by_hand(fine, ranges):
    content = b"\x01" + b"".join(varint(v) for v in ranges)
    message = b"BL\x01\x0a\x01\x10" + b"\x11" * 16 + b"\x02" + varint(len(content)) + content
    assert agree([message]) == (not fine), by_page(message)


PRESENCE = b"\x01" + b"\x22" * 16 + b"\x03\x01x"


@pytest.mark.parametrize("fine, sections", [
    (True, [(1, PRESENCE)]),
    (True, [(2, b""), (1, PRESENCE), (2, b"again")]),  # unknown ones may repeat
    (False, []),
    (False, [(2, PRESENCE)]),
    (False, [(1, PRESENCE), (1, PRESENCE)]),
    (False, [(1, PRESENCE + b"\0")]),
    (False, [(1, PRESENCE[:-1])]),
    (False, [(1, b"\x02" + PRESENCE[1:])]),  # neither online nor offline
    (False, [(0, b""), (1, PRESENCE)]),
])
def test_sections_made_by_hand(fine, sections):
    message = b"BL\x01\x07" + b"".join(varint(t) + varint(len(c)) + c for t, c in sections)
    assert agree([message]) == (not fine), by_page(message)


@pytest.mark.parametrize("fine, kind, value", [
    (True, 0, b""), (False, 0, b"x"), (True, 1, b"\x02ab"), (False, 1, b"\x02\xffb"),
    (False, 1, b"\x01\0"), (False, 1, varint(1025) + b"x" * 1025), (True, 2, F64), (False, 2, NAN),
    (False, 2, INF), (True, 3, b""), (True, 4, b""), (False, 5, b""), (False, 7, b"\x02"),
    (True, 8, b"\x02"), (True, 14, b"\x02"), (False, 15, b"\x02"),
])
def test_attributes_made_by_hand(fine, kind, value):
    event = b"\x00\x01t\x00\x01\x01k" + bytes([kind]) + value
    raw = b"\x03" + varint(len(event)) + event
    message = bytearray(batch(len(raw), raw, zlib.crc32(raw)))
    message[45] = 1  # one event
    assert agree([bytes(message)]) == (not fine), by_page(bytes(message))


def test_bombs_are_refused_before_they_go_off():
    zeros = zlib.compress(bytes(4 << 20), 9)
    nested = zlib.compress(zeros, 9)
    # What is inside would be fine: a section that is not known.
    section = b"\x09" + varint(1 << 20) + bytes(1 << 20)
    small = b"\x09\x40" + bytes(64)
    packed = zlib.compress(small)
    assert agree([batch(len(small), packed, zlib.crc32(small))]) == 0
    bombs = [
        batch(len(section), zlib.compress(section, 9), zlib.crc32(section)),
        batch(len(small), packed + b"\0", zlib.crc32(small)),  # something behind the stream
        batch(len(small), packed[:-1], zlib.crc32(small)),
        batch(len(small), packed, zlib.crc32(small) ^ 1),
        batch(4 << 20, zeros, zlib.crc32(bytes(4 << 20))),  # ratio of a thousand
        batch(len(zeros), zeros, 0),  # stored, but the checksum is not its own
        batch((4 << 20) + 1, b"x" * 50000),  # above the cap
        batch(1 << 63, b"x" * 100),
        batch((1 << 64) - 1, b"x" * 100),
        batch(4096, zeros[:3000]),  # says less than what comes out
        batch(5000, zeros, 0),
        batch(len(zeros), nested, zlib.crc32(zeros)),  # inflates to a stream, which is no body
        batch(100, b"x" * 101),
    ]
    assert agree(bombs) == len(bombs)


def test_lengths_of_2_to_the_63_are_refused():
    prefix = {"hello": 1, "answer": 2, "dictionary": 4, "clock": 5, "receipt": 6}
    big = [1 << 63, (1 << 64) - 1, (1 << 63) + 10, 1 << 32, 0xFFFFFFFF]
    messages = [bytes([0x42, 0x4C, 1, t]) + b"\x01" + varint(n) + b"x" * 40
                for t in prefix.values() for n in big]
    assert agree(messages) == len(messages)


def test_noise_is_refused():
    rng = random.Random(2026)
    noise = [rng.randbytes(rng.randrange(0, 300)) for _ in range(300)]
    noise += [b"BL\x01" + bytes([t]) + rng.randbytes(rng.randrange(0, 200))
              for t in range(13) for _ in range(40)]
    noise += [b"BL\x02\x03" + rng.randbytes(20), b"BL\x00\x03"]
    agree(noise)
