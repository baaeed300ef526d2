-- Batches that an earlier program stored may be due to be packed without a row of pack_due that
-- says so: those that came in one commit with the clock map that places them.  They are looked
-- through once, the newest first; this is how far (store_due_again.c).  0: all were.
INSERT INTO meta (key, value) SELECT 'due_unseen', coalesce(max(id), 0) FROM batch;
