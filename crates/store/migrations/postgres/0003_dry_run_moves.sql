-- Links that would pass to another device in a dry run, or in the rehearsal of a plan, which leaves the links themselves as
-- they are: their records are not up for removal. Dropped when it ends. Only an addition.
CREATE TABLE dry_run_moves (
    sync_id      UUID             NOT NULL REFERENCES syncs (sync_id),
    device_id    TEXT COLLATE "C" NOT NULL, -- whose link it is
    to_device_id TEXT             NOT NULL,
    tenant       TEXT             NOT NULL,
    PRIMARY KEY (sync_id, device_id)
);
