-- Each batch asks which of its records the sync has found to be deleted: by the record, not by a walk over all of them, of
-- which there may be as many as devices. Only an addition.
CREATE INDEX brake_items_record ON brake_items (sync_id, record_id);
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('brake_items', 'brake_items_record', '100000 10000 1');
ANALYZE sqlite_schema;
