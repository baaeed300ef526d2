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
    cut = [whole[:n] for n in range(len(whole)) if n not in shorter]
    assert agree(cut) == len(cut)


@pytest.mark.parametrize("name", NAMES)
def test_both_agree_on_every_flipped_bit(name):
    whole = golden(name)
    step = max(1, len(whole) * 8 // 1500)
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
    for _ in range(1500):
        b = bytearray(whole)
        for _ in range(rng.choice([1, 1, 1, 2, 5])):
            b[rng.randrange(body, len(b))] = rng.choice([rng.randrange(256), 0, 255, 128])
        damaged.append(with_checksum(bytes(b), body, checksum))
    refused = agree(damaged)
    assert 50 < refused < 1500, "the damage tests nothing"


def test_bombs_are_refused_before_they_go_off():
    def message(raw_size, body, crc=0):
        return (bytes.fromhex("424c0103") + b"\x11" * 16 + b"\x22" * 16 + bytes([3, 0, 1]) +
                bytes([0, 0, 0, 0, 0, 0, 0, 0]) + varint(raw_size) + struct.pack("<I", crc) +
                struct.pack("<QQ", 2, 1) + varint(len(body)) + body)

    zeros = zlib.compress(bytes(4 << 20), 9)
    nested = zlib.compress(zeros, 9)
    bombs = [
        message(4 << 20, zeros, zlib.crc32(bytes(4 << 20))),  # ratio of a thousand
        message(len(zeros), zeros, 0),  # stored, but the checksum is not its own
        message((4 << 20) + 1, b"x" * 50000),  # above the cap
        message(1 << 63, b"x" * 100),
        message((1 << 64) - 1, b"x" * 100),
        message(4096, zeros[:3000]),  # says less than what comes out
        message(5000, zeros, 0),
        message(len(zeros), nested, zlib.crc32(zeros)),  # inflates to a stream, which is no body
        message(100, b"x" * 101),
    ]
    assert agree(bombs) == len(bombs)


def test_lengths_of_2_to_the_63_are_refused():
    prefix = {"hello": 1, "answer": 2, "dictionary": 4, "clock": 5, "receipt": 6}
    big = [1 << 63, (1 << 64) - 1, (1 << 63) + 10, 1 << 32, 0xFFFFFFFF]
    messages = [bytes([0x42, 0x4C, 1, t]) + b"\x01" + varint(n) + b"x" * 40
                for t in prefix.values() for n in big]
    assert agree(messages) == len(messages)


def varint(v):
    out = bytearray()
    while v >= 0x80:
        out.append(v & 0x7F | 0x80)
        v >>= 7
    return bytes(out + bytes([v]))


def test_noise_is_refused():
    rng = random.Random(2026)
    noise = [rng.randbytes(rng.randrange(0, 300)) for _ in range(300)]
    noise += [b"BL\x01" + bytes([t]) + rng.randbytes(rng.randrange(0, 200))
              for t in range(12) for _ in range(40)]
    noise += [b"BL\x02\x03" + rng.randbytes(20), b"BL\x00\x03"]
    agree(noise)
