"""What an agent has kept: the samples of a closed spool, decoded by the independent reader of tests/contract."""

import sqlite3
from collections import namedtuple
from contextlib import closing

from . import oracle  # noqa: F401  finds the decoder
import wire_decoder

Definition = namedtuple("Definition", "name labels kind unit interval_ms")


def definition(blob):
    """A row of the spool's dictionary."""
    def number():
        n = shift = 0
        while True:
            byte = blob[number.at]
            number.at += 1
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return n

    def text():
        n = number()
        number.at += n
        return blob[number.at - n:number.at].decode()

    number.at = 2
    interval, name, unit = number(), text(), text()
    labels = tuple(sorted((text(), text()) for _ in range(number())))
    return Definition(name, labels, {1: "gauge", 2: "counter"}[blob[1]], unit, interval)


def definitions(spool):
    """Of all series that it knows."""
    with closing(sqlite3.connect(spool)) as db:
        return [definition(blob) for _, blob in db.execute("SELECT id, def FROM dict ORDER BY id")]


def spooled(spool):
    """(name, labels) -> [(boot ms, value or None)], of all batches of a closed spool."""
    found = {}
    with closing(sqlite3.connect(spool)) as db:
        names = {entry: definition(blob)[:2] for entry, blob in db.execute("SELECT id, def FROM dict")}
        for message, in db.execute("SELECT msg FROM body ORDER BY id"):
            for column in wire_decoder.decode(message)["series"]:
                found.setdefault(names[column["id"]], []).extend(zip(column["times"], column["values"]))
    return found
