-- Which programs are at work on this database, and which may be (see migrate.rs). Only an addition.

-- A process that is alive says so, and for which schema it was made: nothing it needs may be taken away under it.
CREATE TABLE processes (
    process_id     TEXT   NOT NULL PRIMARY KEY,
    program        TEXT   NOT NULL, -- such as pandaport-worker
    version        TEXT   NOT NULL,
    host           TEXT   NOT NULL,
    pid            BIGINT NOT NULL,
    schema_version BIGINT NOT NULL, -- the one that it was made for
    start_time     BIGINT NOT NULL,
    beat_time      BIGINT NOT NULL
);

-- The oldest programs that can still work here, by the schema that they were made for. One row.
CREATE TABLE schema_readers (
    one    BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    oldest BIGINT NOT NULL
);
