"""What an agent's spool file says: how much it accepted, and what it held. Read only; the agent may run
or be dead. The tables: agent/src/spool/README.md.
"""

import sqlite3
from dataclasses import dataclass

from rig import read_only

GENERATION_BITS, STREAM_BITS = 50, 48
SEQ_MASK = (1 << STREAM_BITS) - 1


def parts(batch_id):
    """(generation, stream, seq)"""
    return batch_id >> GENERATION_BITS, batch_id >> STREAM_BITS & 3, batch_id & SEQ_MASK


@dataclass(frozen=True)
class Counts:
    accepted: int  # samples and events, counted in the transactions that accepted them
    uncut: int  # of them, those that no batch holds yet
    waiting: int  # batches without a receipt
    dropped: int  # batches dropped by policy, since the file was made


def counts(path):
    with read_only(path) as db:
        db.execute("BEGIN")
        (accepted,) = db.execute("SELECT samples + events FROM state").fetchone()
        (uncut,) = db.execute("SELECT coalesce(sum(CASE stream WHEN 1 THEN 1 ELSE samples END), 0) FROM open").fetchone()
        (waiting,) = db.execute("SELECT count(*) FROM batch WHERE receipted_unix_ms IS NULL").fetchone()
        (dropped,) = db.execute("SELECT sum(dropped_batches) FROM stream").fetchone()
    return Counts(accepted, uncut, waiting, dropped)


class Census:
    """How many values each batch held, noted while the batch was there.

    The ledger's entry of a batch that partly came cannot say how many values were in what did not, nor
    can an answer "gone"; somebody who looked before can.
    """

    def __init__(self):
        self.values = {}  # (spool id in hex, stream, seq) -> samples and events
        self._seen = {}  # (spool id, stream) -> highest seq that was noted

    def look(self, path):
        try:
            with read_only(path, 2) as db:
                for generation, spool in db.execute("SELECT gen, lower(hex(spool)) FROM spool_gen").fetchall():
                    for stream in (1, 2, 3):
                        self._look(db, generation, spool, stream)
        except sqlite3.Error:
            pass  # it is being made, or busy: the next look sees it

    def _look(self, db, generation, spool, stream):
        base = generation << GENERATION_BITS | stream << STREAM_BITS
        seen = self._seen.get((spool, stream), 0)
        for batch, values in db.execute("SELECT id, samples + events FROM batch WHERE id > ? AND id <= ?",
                                        (base | seen, base | SEQ_MASK)):
            seq = batch & SEQ_MASK
            self.values[spool, stream, seq] = values
            seen = max(seen, seq)
        self._seen[spool, stream] = seen


def events_waiting(path):
    """Events without a receipt, cut or not."""
    with read_only(path) as db:
        (cut,) = db.execute("SELECT coalesce(sum(events), 0) FROM batch WHERE receipted_unix_ms IS NULL").fetchone()
        (uncut,) = db.execute("SELECT count(*) FROM open WHERE stream = 1").fetchone()
    return cut + uncut


def undelivered(path):
    """{(spool id in hex, stream, seq): samples and events} of the batches without a receipt."""
    with read_only(path) as db:
        names = dict(db.execute("SELECT gen, lower(hex(spool)) FROM spool_gen").fetchall())
        rows = db.execute("SELECT id, samples + events FROM batch WHERE receipted_unix_ms IS NULL").fetchall()
    out = {}
    for batch, values in rows:
        generation, stream, seq = parts(batch)
        out[names[generation], stream, seq] = values
    return out
