-- How much the store was told that may place or name what it has: whoever waits for it looks
-- again when this has grown, and not with every commit.
ALTER TABLE total ADD COLUMN maps INTEGER NOT NULL DEFAULT 0;
CREATE TRIGGER segment_added AFTER INSERT ON clock_segment WHEN new.source > 0 BEGIN
  UPDATE total SET maps = maps + 1;
END;
CREATE TRIGGER entry_added AFTER INSERT ON dict BEGIN
  UPDATE total SET maps = maps + 1;
END;
