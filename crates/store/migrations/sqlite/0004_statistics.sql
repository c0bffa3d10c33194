-- What a big installation looks like, for SQLite's planner. Without it, the planner takes every sync for a small one: it
-- walked all records of a sync for each batch of five, so that an import's time grew with the square of its size. Written
-- down rather than measured (by ANALYZE), so that every installation has the same plans, and a new one has them at once.
-- stat: rows in the table, then rows with the same first column, first two columns, and so on. Only an addition.
ANALYZE sqlite_schema;
DELETE FROM sqlite_stat1 WHERE tbl IN ('sync_records', 'links', 'link_values', 'intents', 'brake_items', 'syncs', 'alerts');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('sync_records', 'sync_records',      '1000000 10000 1'),
    ('sync_records', 'sync_records_step', '1000000 10000 50 1'),
    ('sync_records', 'sync_records_key',  '1000000 10000 2 1'),
    ('links', 'links', '1000000 10000 1'),
    ('link_values', 'sqlite_autoindex_link_values_1', '1000000 1'),
    ('link_values', 'link_values_record', '1000000 10000 1'),
    ('link_values', 'link_values_key',    '1000000 10000 2 1'),
    ('link_values', 'link_values_serial', '1000000 10000 2'),
    ('link_values', 'link_values_device', '1000000 10000 1'),
    ('intents', 'intents',     '1000 100 1'),
    ('intents', 'intents_key', '1000 100 2'),
    ('brake_items', 'brake_items',      '100000 10000 5000 1 1'),
    ('brake_items', 'brake_items_step', '100000 10000 5000 50 1 1'),
    ('syncs', 'sqlite_autoindex_syncs_1', '1000000 1'),
    ('syncs', 'syncs_one_active', '100 1'),
    ('syncs', 'syncs_lost',       '100 1'),
    ('syncs', 'syncs_mapping',    '1000000 10000 1000 1'),
    ('syncs', 'syncs_tenant',     '1000000 10000 1'),
    ('syncs', 'syncs_plan_of',    '100 1'),
    ('syncs', 'syncs_ended',      '1000000 1'),
    ('alerts', 'sqlite_autoindex_alerts_1', '10000 1'),
    ('alerts', 'alerts_due',    '100 1'),
    ('alerts', 'alerts_tenant', '10000 1000 1'),
    ('alerts', 'alerts_old',    '10000 1');
ANALYZE sqlite_schema;
