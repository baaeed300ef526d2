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
    if name in ("report", "report-sampling"):
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
    h = wire_decoder.batch_header(r)
    body = r.take(r.left())
    offer = varint(h["next_seq"] - h["seq"] - 1) + varint(h["next_seq"] - h["lowest_held"])
    head = bytearray(message[: len(message) - len(body)])
    checksum = len(head) - len(offer) - 4
    if head[36] & 32:
        head[36] -= 32
        size = len(varint(h["raw_size"]))
        del head[checksum - size : checksum]
        checksum -= size
        body = zlib.decompress(body)
    return bytes(head) + body, len(head), checksum


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


def batch(raw_size, body, crc=0, samples=0, events=0, event_ms=0, dict_version=0):
    """A batch made by hand; its times begin at 0.  raw_size None: the body is stored."""
    kind = 3 | (8 if events else 0) | (0 if raw_size is None else 32)
    return (b"BL\1\3" + b"\x11" * 16 + b"\x22" * 16 + bytes([kind, 1, 0, 0, 0]) + varint(event_ms) +
            varint(dict_version) + varint(samples) + (varint(events) if events else b"") +
            (b"" if raw_size is None else varint(raw_size)) + struct.pack("<I", crc) + b"\0\1" + body)


def stored_batch(sections, **header):
    raw = b"".join(varint(tag) + varint(len(content)) + content for tag, content in sections)
    return batch(None, raw, zlib.crc32(raw), **header)


def bits(text):
    """"1 01": the bits as they come, lowest of a byte first, filled up with zeros."""
    digits = text.replace(" ", "")
    return bytes(int(digits[i : i + 8][::-1], 2) for i in range(0, len(digits), 8))


def eg(k, u):
    """Exp-Golomb as the page has it."""
    q = ((u >> k) + 1).bit_length() - 1
    return "1" * q + "0" + low(k + q, u - (((1 << q) - 1) << k))


def low(n, v):
    """n bits, the lowest first."""
    return format(v, "b").zfill(n)[::-1][:n] if n else ""


def egz(k, v):
    return eg(k, v << 1 if v >= 0 else (-v << 1) - 1)


def number(v, last=20):
    length = abs(v).bit_length()
    return egz(2, length + (64 if v < 0 else 0) - last) + low(length - 1, abs(v)) if v else egz(2, -last)


def f64(bits_of):
    return low(64, struct.unpack("<Q", bits_of)[0])


THREE = b"\x01" + bits(eg(3, 2) + eg(5, 0) + eg(13, 5) + "0")  # one shared time column: 0, 5, 10
NAN, INF, LESS = (struct.pack("<d", float(name)) for name in ("nan", "inf", "-inf"))
QUIET = struct.pack("<Q", 0xfff0000000000001)
F64 = struct.pack("<d", 0.1)
ZERO, ONE = "1 00", "1 10 0" + number(1)  # constants
RUNS, XOR, OTHER = "1 11 00", "1 11 10", "1 11 01"
LEVEL = "0 0" + egz(1, -6) + number(1)  # as at first: level, Rice; scale 0, k 0, first 1
PLAIN = "0"


def stated(predictor, expg):
    return "1 01 1" + low(3, predictor) + str(expg)


@pytest.mark.parametrize("fine, column", [
    (True, PLAIN + ZERO),
    (True, PLAIN + ONE),
    (True, PLAIN + LEVEL + "0 0"),
    (True, PLAIN + LEVEL + "10 0"),
    (True, PLAIN + "1 01 0" + LEVEL[2:] + "0 0"),  # predicted, as last, said aloud
    (True, PLAIN + stated(4, 0) + "0" + egz(1, -6) + number(1) + egz(1, 2) + "0"),  # slope 2
    (False, PLAIN + LEVEL + "111111"),  # no end of the residuals
    (False, PLAIN + "0 0" + egz(1, -1) + number(1) + "0 0"),  # no rests: k is 5
    (False, PLAIN + "0 0" + egz(1, -7) + number(1) + "0 0"),  # k is -1
    (True, PLAIN + "0 0" + egz(1, 25) + number(1) + "0 0" + "0" * 62),  # k is 31
    (False, PLAIN + "0 0" + egz(1, 26) + number(1) + "0 0" + "0" * 64),
    (True, PLAIN + stated(5, 0) + "0" + egz(1, 25) + number(1) + egz(31, 0) + "0" + "0" * 31),
    (False, PLAIN + OTHER + f64(NAN)),
    (False, PLAIN + OTHER + f64(QUIET)),
    (True, PLAIN + OTHER + f64(INF)),
    (True, PLAIN + OTHER + f64(LESS)),
    (True, PLAIN + XOR + eg(6, 66) + f64(INF) + "0 0"),
    (True, PLAIN + XOR + eg(6, 80) + f64(INF) + "0 11 000000 000000 1"),  # inf inf -inf
    (False, PLAIN + XOR + eg(6, 80) + f64(INF) + "0 11 111111 000000 1"),  # inf inf NaN
    (False, PLAIN + XOR + eg(6, 66) + f64(NAN) + "0 0"),
    (True, PLAIN + OTHER + f64(F64)),
    (False, PLAIN + OTHER + f64(F64)[:-8]),
    (False, PLAIN + "1 11 11" + "0" * 70),  # no such encoding
    (False, "1 000" + ZERO),  # flags of nothing
    (True, "1 100" + eg(2, 3) + ZERO),  # series 5
    (True, "1 100" + eg(2, 8) + ZERO),  # series 10
    (False, "1 100" + eg(2, 9) + ZERO),  # series 11 of 10
    (True, "1 010" + eg(1, 1) + ZERO),  # times as before, said aloud
    (False, "1 010" + eg(1, 2) + ZERO),  # no such time column
    (True, "1 010" + eg(1, 0) + eg(3, 2) + eg(5, 1) + eg(13, 2) + "0" + ZERO),  # own times: 1, 3, 5
    (False, "1 010" + eg(1, 0) + eg(3, 2) + eg(5, 1) + eg(13, 5) + "0" + ZERO),  # 1, 6, 11
    (True, "1 010" + eg(1, 0) + eg(3, 2) + eg(5, 1) + eg(13, 5) + "1 0 00000" + "10" + ZERO),  # 1, 6, 10
    (False, "1 010" + eg(1, 0) + eg(3, 2) + eg(5, 5) + eg(13, 0) + "1 0 00000" + "10" + ZERO),  # 5, 5, 4
    (False, "1 010" + eg(1, 0) + eg(3, 2) + eg(5, 1) + eg(13, 1 << 60) + "0" + ZERO),
    (False, "1 010" + eg(1, 0) + eg(3, 2) + eg(5, 1 << 57) + eg(13, 0) + "0" + ZERO),
    (False, "1 010" + eg(1, 0) + eg(3, 1999) + eg(5, 1) + eg(13, 0) + "0" + ZERO),  # more than samples
    (False, "1 010" + eg(1, 0) + eg(3, 65536) + eg(5, 1) + eg(13, 0) + "0" + ZERO),
    (True, "1 001" + eg(0, 0) + "100" + eg(3, 2)),  # all three unknown: unreadable
    (False, "1 001" + eg(0, 0) + "101" + eg(3, 2)),  # a reason that is not in use
    (False, "1 001" + eg(0, 0) + "100" + eg(3, 1)),  # two of three
    (False, "1 001" + eg(0, 1) + "100" + eg(3, 2) + "000" + eg(3, 0)),  # four
    (True, "1 001" + eg(0, 1) + "100" + eg(3, 1) + "000" + eg(3, 0) + ZERO),  # one is known
    (False, "1 001" + eg(0, 1) + "100" + eg(3, 1) + "000" + eg(3, 0) + LEVEL),  # one value is a constant
    (False, "1 001" + eg(0, 1) + "100" + eg(3, 1) + "000" + eg(3, 0) + RUNS + "0" + "0" * 20),
    (True, PLAIN + stated(0, 1) + "0" + egz(1, 25) + number(0) + "1" * 23 + "0 0" + "0" * 54 + "0" * 31),
    (False, PLAIN + stated(0, 1) + "0" + egz(1, 25) + number(0) + "1" * 32 + "0 0" + "0" * 63 + "0" * 31),
    (False, PLAIN + stated(0, 1) + "0" + egz(1, 25) + number(0) + "1" * 33 + "0 0" + "0" * 64 + "0" * 31),
    (True, PLAIN + RUNS + "0" + "0" * 10 + eg(2, 0) + number(1) + eg(0, 1) + eg(0, 0)),  # 1 1 0
    (True, PLAIN + RUNS + "0" + "0" * 10 + eg(2, 1) + number(1) + (eg(0, 0) + eg(0, 0)) * 2),  # 1 0 -1
    (False, PLAIN + RUNS + "0" + "0" * 10 + eg(2, 2) + number(1) + (eg(0, 0) + eg(0, 0)) * 3),  # four
    (False, PLAIN + RUNS + "0" + "0" * 10 + eg(2, 0) + number(1) + eg(0, 2) + eg(0, 0)),  # nothing is left
    (True, PLAIN + XOR + eg(6, 66) + f64(F64) + "0 0"),
    (False, PLAIN + XOR + eg(6, 65) + f64(F64) + "0"),  # a value is missing
    (False, PLAIN + XOR + eg(6, 67) + f64(F64) + "0 0 0"),
    (False, PLAIN + XOR + eg(6, 63) + f64(F64)),
    (False, PLAIN + XOR + eg(6, 67) + f64(F64) + "0 10"),  # no window yet
    (True, PLAIN + XOR + eg(6, 80) + f64(F64) + "0 11 111111 000000 1"),
    (False, PLAIN + XOR + eg(6, 81) + f64(F64) + "0 11 111111 100000 11"),  # the window leaves the number
    (False, PLAIN + XOR + eg(6, 83) + f64(F64) + "0 11 100000 110100 1111"),
    (True, PLAIN + "1 10 1 111 111111" + number(1)),  # 2^63
    (True, PLAIN + "1 10 0" + number(1 << 53)),
    (False, PLAIN + "1 10 0" + number((1 << 53) + 1)),
    (True, PLAIN + "1 10 0" + number(-(1 << 53))),
    (False, PLAIN + "1 10 0" + number(-(1 << 53) - 1)),
    (False, PLAIN + "1 10 0" + egz(2, 64 - 20) + "0" * 60),  # minus nothing
    (False, PLAIN + "1 10 0" + egz(2, 56 - 20) + "0" * 60),  # too long
    (False, PLAIN + "1 10 0" + egz(2, 120 - 20) + "0" * 60),
    (False, PLAIN + "1 10 0" + egz(2, -21) + "0" * 60),  # a class below 0
    (False, PLAIN + "0 0" + egz(1, -6) + number(1 << 53) + "0" + "110" ),  # 2^53 + 1
    (False, PLAIN + stated(4, 0) + "0" + egz(1, -6) + number(1) + egz(1, 1 << 54) + "0"),
    (False, PLAIN + RUNS + "0" + "0" * 10 + eg(2, 0) + number(1) + eg(0, 0) + eg(0, (1 << 55) - 1)),
])
def test_columns_made_by_hand(fine, column):
    n = 3
    message = stored_batch([(1, THREE), (2, b"\x01" + bits(column))], samples=n, event_ms=10,
                           dict_version=10)
    assert agree([message]) == (not fine), by_page(message)


def test_the_filling_of_columns_is_zero():
    good = b"\x01" + bits(PLAIN + ZERO)
    header = {"samples": 3, "event_ms": 10, "dict_version": 9}
    for fine, content in ((True, good), (False, good[:-1] + bytes([good[-1] | 128])), (False, good + b"\0")):
        assert agree([stored_batch([(1, THREE), (2, content)], **header)]) == (not fine)


ZEROS = b"\x01" + bits(PLAIN + ZERO)


@pytest.mark.parametrize("fine, sections, samples", [
    (True, [], 0),
    (True, [(9, b"later")], 0),
    (False, [(1, THREE)], 0),  # times without columns
    (False, [(2, b"\x00")], 0),
    (False, [], 3),  # announced and missing
    (True, [(2, ZEROS), (1, THREE)], 3),  # in any order
    (False, [(2, ZEROS), (1, THREE), (1, THREE)], 3),
    (False, [(0, b""), (2, ZEROS), (1, THREE)], 3),
    (False, [(2, ZEROS), (1, THREE)], 2),
    (False, [(2, ZEROS), (1, THREE)], 4),
    (False, [(2, ZEROS + b"\x00"), (1, THREE)], 3),
    (False, [(2, b"\x00"), (1, THREE)], 3),
    (False, [(2, ZEROS), (1, THREE + b"\x00")], 3),
    (False, [(2, ZEROS), (1, THREE), (3, b"")], 3),  # not announced
    (False, [(2, ZEROS), (1, varint(65) + bits((eg(3, 2) + eg(5, 0) + eg(13, 5) + "0") * 65))], 3),
    (True, [(2, ZEROS), (1, varint(64) + bits((eg(3, 2) + eg(5, 0) + eg(13, 5) + "0") * 64))], 3),
    (True, [(2, ZEROS), (1, b"\x02" + bits(eg(3, 2) + eg(5, 0) + eg(13, 5) + "0" + eg(3, 0) + eg(5, 10)))], 3),
    (False, [(2, ZEROS), (1, b"\x02" + bits(eg(3, 2) + eg(5, 0) + eg(13, 5) + "0" + eg(3, 0) + eg(5, 11)))], 3),
    (True, [(2, b"\x02" + bits((PLAIN + ZERO) + PLAIN + "0")), (1, THREE)], 6),  # zero again
    (True, [(2, b"\x02" + bits((PLAIN + ONE) + PLAIN + "0 0" + number(-1, 1))), (1, THREE)], 6),
])
def test_bodies_made_by_hand(fine, sections, samples):
    message = stored_batch(sections, samples=samples, event_ms=10 if samples else 0, dict_version=9)
    assert agree([message]) == (not fine), by_page(message)


def whole(v, scale=""):
    """A sequence of one constant number."""
    return bits("1 10" + ("1" + scale if scale else "0") + number(v))


def part(*sequences):
    content = b"".join(sequences)
    return varint(len(content)) + content


TWO, TEN = whole(2), whole(10)
SEVERAL = bits(RUNS + "0" + "0" * 10 + eg(2, 0) + number(1) + eg(0, 1) + eg(0, 57))  # 1 1 30


@pytest.mark.parametrize("fine, thin", [
    (True, b"\x01\x01" + part(TWO, ONE_SEQ := whole(1), ONE_SEQ)),  # each of three stands for two; 1, 1
    (True, b"\x01\x01" + part(SEVERAL, ONE_SEQ, TWO)),
    (True, b"\x01\x01" + part(whole(1 << 20), ONE_SEQ, ONE_SEQ)),
    (False, b"\x01\x01" + part(whole((1 << 20) + 1), ONE_SEQ, ONE_SEQ)),  # above the cap
    (False, b"\x01\x01" + part(ONE_SEQ)),  # each for itself: not worth a word
    (False, b"\x01\x01" + part(bits(ZERO), ONE_SEQ, ONE_SEQ)),  # for none
    (False, b"\x01\x01" + part(whole(-1), ONE_SEQ, ONE_SEQ)),
    (False, b"\x01\x01" + part(whole(16, "100"), ONE_SEQ, ONE_SEQ)),  # for one and six tenths
    (False, b"\x01\x01" + part(TWO, TWO, ONE_SEQ)),  # lowest above highest
    (True, b"\x01\x01" + part(TWO, TWO, TEN)),  # neither need hold the value
    (False, b"\x01\x01" + part(TWO, bits(OTHER + f64(NAN)), ONE_SEQ)),
    (False, b"\x01\x01" + part(TWO, ONE_SEQ, bits(OTHER + f64(INF)))),
    (False, b"\x01\x01" + part(TWO, bits(OTHER + f64(LESS)), ONE_SEQ)),
    (False, b"\x01\x01" + part(TWO, ONE_SEQ, bits(XOR + eg(6, 66) + f64(INF) + "0 0"))),
    (True, b"\x01\x01" + part(TWO, bits(ZERO), bits(OTHER + f64(F64)))),
    (False, b"\x01\x01" + part(TWO, ONE_SEQ)),  # no highest
    (False, b"\x01\x01" + part(TWO, ONE_SEQ, ONE_SEQ, b"\0")),  # something behind it
    (False, b"\x01\x01" + part(bits("1 11 11") + b"\0" * 9, ONE_SEQ, ONE_SEQ)),  # no such encoding
    (False, b"\x01\x01" + part(TWO, bytes([ONE_SEQ[0], ONE_SEQ[1] | 128]), ONE_SEQ)),  # filling is not zero
    (False, b"\x01\x01" + part(TWO, ONE_SEQ, ONE_SEQ[:-1])),  # cut off
    (False, b"\x01\x02" + part(TWO, ONE_SEQ, ONE_SEQ)),  # series 2, which is not here
    (False, b"\x01\x00" + part(TWO, ONE_SEQ, ONE_SEQ)),
    (False, b"\x02" + (b"\x01" + part(TWO, ONE_SEQ, ONE_SEQ)) * 2),
    (False, b"\x02\x01" + part(TWO, ONE_SEQ, ONE_SEQ)),  # one of two
    (False, b"\x00"),
    (False, b"\x04\x01" + part(TWO, ONE_SEQ, ONE_SEQ)),  # more series than samples
    (False, b"\x01\x01" + part(TWO, ONE_SEQ, ONE_SEQ) + b"\0"),
    (False, b"\x01\x01\x00"),
    (False, b"\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),  # a length of 2^64 - 1
])
def test_thinned_samples_made_by_hand(fine, thin):
    message = stored_batch([(1, THREE), (2, ZEROS), (5, thin)], samples=3, event_ms=10, dict_version=9)
    assert agree([message]) == (not fine), by_page(message)


def test_thinned_samples_are_of_the_series_that_is_named():
    columns = (2, b"\x01" + bits("1 100" + eg(2, 3) + ZERO))  # series 5
    for series, refused in ((1, 1), (4, 1), (5, 0), (6, 1)):
        thin = (5, bytes([1, series]) + part(TWO, ONE_SEQ, ONE_SEQ))
        message = stored_batch([(1, THREE), columns, thin], samples=3, event_ms=10, dict_version=9)
        assert agree([message]) == refused, series


def test_thinned_samples_need_columns_and_come_once():
    thin, columns = (5, b"\x01\x01" + part(TWO, ONE_SEQ, ONE_SEQ)), [(1, THREE), (2, ZEROS)]
    header = {"samples": 3, "event_ms": 10, "dict_version": 9}
    assert agree([stored_batch([thin, *columns], **header)]) == 0, "in any order"
    assert agree([stored_batch([thin]), stored_batch([*columns, thin, thin], **header)]) == 2


HEAD = (b"\x11" * 16 + b"\x22" * 16, b"\1\0\0\0\0\0\0")  # up to the kind; seq 1, no times, no samples


@pytest.mark.parametrize("fine, kind, counts, offer", [
    (True, 3, b"", [0, 0]),
    (True, 3, b"", [0, 1]),
    (False, 3, b"", [0, 2]),  # the lowest is 0
    (True, 3, b"", [5, 6]),
    (True, 3, b"", [MASK - 2, 0]),  # next seq is 2^64 - 1
    (False, 3, b"", [MASK - 1, 0]),
    (False, 3, b"", [MASK, 0]),
    (False, 3, b"", [0, MASK]),
    (False, 0, b"", [0, 0]),  # no stream
    (False, 3 | 8, b"\0", [0, 0]),  # no events, announced
    (False, 3 | 16, b"\0", [0, 0]),
    (False, 3 | 8, b"\1", [0, 0]),  # an event that is not there
    (False, 3 | 32, b"\0", [0, 0]),  # a deflated body of nothing
    (False, 3 | 64, b"", [0, 0]),
    (False, 3 | 128, b"", [0, 0]),
    (False, 3 | 4, b"\1\0", [0, 0]),  # supersedes itself
])
def test_headers_made_by_hand(fine, kind, counts, offer):
    message = (b"BL\1\3" + HEAD[0] + bytes([kind]) + HEAD[1] + counts + bytes(4) +
               b"".join(varint(v) for v in offer))
    assert agree([message]) == (not fine), by_page(message)


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
    message = batch(None, raw, zlib.crc32(raw), events=1)
    assert agree([message]) == (not fine), by_page(message)


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
