-- Segments of clock maps that are not sure of the second, for all devices at once.
CREATE INDEX clock_doubt ON clock_segment (uncertainty_ms)
  WHERE source > 0 AND uncertainty_ms >= 1000;
