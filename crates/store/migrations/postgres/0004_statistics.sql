-- How tables that change much are laid out, counted and cleaned up. PostgreSQL counts by itself, unlike SQLite, but only
-- once a tenth of a table has changed, and cleans up after a fifth: of a million links, that is long after. Only an addition.

-- An import goes through its records step by step, and each step makes a new version of the row: a page is left room for
-- some, so that they stay on it and those that are dead are cleared away by whoever reads it.
ALTER TABLE sync_records SET (fillfactor = 60);
-- Its key is all that is indexed and it changes with its step: rows are few and short.
ALTER TABLE brake_items SET (fillfactor = 70);
ALTER TABLE intents SET (fillfactor = 70);

-- Each sync touches every link once, and every record of its own several times.
ALTER TABLE links SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE sync_records SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02,
                              autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE link_values SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE brake_items SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE intents SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
-- A few rows that change with every batch: cleaned up by number, not by share.
ALTER TABLE syncs SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE budget_lots SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
