-- Where the evaluator is in coverage of closed hours, whose batches are gone: only after it has
-- met another store, until it has been through all of them.
ALTER TABLE eval ADD COLUMN cover_id INTEGER;
