-- Whether the work went on without a break, who waits for a slot in which order, and what syncs that ended leave to be cleaned
-- up. Only additions.

-- One row. Every worker says here that work goes on, by the database's clock. After a silence (everything stood still, or the
-- database is a backup) another stretch of work begins, under the next number: see continuity.rs.
CREATE TABLE continuity (
    one         BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    stretch     BIGINT NOT NULL,
    beat_time   BIGINT NOT NULL,
    upkeep_time BIGINT NOT NULL -- when some worker last looked at what is looked at once for all of them
);
INSERT INTO continuity (one, stretch, beat_time, upkeep_time) VALUES (1, 1, 0, 0);

-- The stretch of work that the sync's last slice belongs to.
ALTER TABLE syncs ADD COLUMN stretch BIGINT;
-- Syncs that ended and kept more on their way than goes with their end. A table of their own: to build an index over all syncs
-- would keep everybody waiting.
CREATE TABLE leftovers (
    sync_id      BLOB NOT NULL PRIMARY KEY,
    after_device TEXT NOT NULL -- its records up to this one are cleaned up
);

-- Syncs that a worker had in hand, and no slot for.
CREATE TABLE slot_waits (
    tenant     TEXT   NOT NULL,
    sync_id    BLOB   NOT NULL,
    urgency    BIGINT NOT NULL, -- 1 goes before 2
    since_time BIGINT NOT NULL,
    until_time BIGINT NOT NULL, -- who has not asked again by then does not wait any more
    PRIMARY KEY (tenant, sync_id)
) WITHOUT ROWID;
