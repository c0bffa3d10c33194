-- What the rules on removal, the brake, set times, plans that are applied as shown, and alerts need. Only additions: a
-- program of the version before runs on this schema too.

-- When the first complete read began that a linked device was absent from; unset while it is there.
-- links.flags has further bits: 16 listed as removed, 32 filtered, 64 marked by the policy, 128 record known to be
-- deleted, 256 gone and left, 512 a mark was sent and is not confirmed.
ALTER TABLE links ADD COLUMN absent_since BIGINT;
-- Those of bits 16 and 32 that hold for a device in a dry run, which leaves the link's own as they are.
ALTER TABLE dry_run_seen ADD COLUMN flags BIGINT NOT NULL DEFAULT 0;

ALTER TABLE mappings ADD COLUMN cron_expression TEXT; -- set times, instead of interval_ms
ALTER TABLE mappings ADD COLUMN cron_time_zone TEXT;
ALTER TABLE mappings ADD COLUMN held_digest TEXT;     -- stands for the rows in held_changes; unset: nothing is held
ALTER TABLE mappings ADD COLUMN held_since BIGINT;
ALTER TABLE mappings ADD COLUMN health TEXT NOT NULL DEFAULT 'HEALTHY'; -- what alerts tell of: HEALTHY, FAILING, REJECTIONS, HELD

ALTER TABLE mappings ADD COLUMN notes TEXT NOT NULL DEFAULT '[]'; -- JSON: what moved in the collection and can be lived with

-- The mapped columns as they were when the revision was made, JSON: what they are held against before every sync.
ALTER TABLE mapping_revisions ADD COLUMN columns TEXT;
-- The revision in whose pair order the cells stand. (Before there were others, it was the first.)
ALTER TABLE link_values ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;

ALTER TABLE syncs ADD COLUMN count_drifted BIGINT NOT NULL DEFAULT 0; -- records edited or deleted in Asset Panda
ALTER TABLE syncs ADD COLUMN pruned BOOLEAN NOT NULL DEFAULT FALSE; -- past the history's retention: its records are being dropped
ALTER TABLE syncs ADD COLUMN rehearsing BOOLEAN NOT NULL DEFAULT FALSE; -- its records say what it would do; see kept_records
ALTER TABLE syncs ADD COLUMN plan_of UUID;         -- the dry run whose plan is to be applied
ALTER TABLE syncs ADD COLUMN approved_digest TEXT; -- what the brake held and somebody approved; see approved_changes
CREATE INDEX syncs_plan_of ON syncs (plan_of) WHERE plan_of IS NOT NULL;
CREATE INDEX syncs_ended ON syncs (end_time) WHERE end_time IS NOT NULL;

-- What one sync would do that the brake weighs, decided over the whole fleet before anything of it is sent.
-- kind: REMOVAL, DELETED (a record deleted in Asset Panda would be made anew), CLEAR (of one column).
-- step: 0 to weigh, 1 let through, 2 to be held, 3 sent, 4 done, 5 held: taken out of what is sent.
-- (A sync record has a further step for it: 10, its record is known to be deleted, and the brake is asked.)
CREATE TABLE brake_items (
    sync_id   UUID             NOT NULL REFERENCES syncs (sync_id),
    kind      TEXT COLLATE "C" NOT NULL,
    device_id TEXT COLLATE "C" NOT NULL,
    column_id TEXT COLLATE "C" NOT NULL DEFAULT '',
    tenant    TEXT COLLATE "C" NOT NULL,
    record_id TEXT COLLATE "C",
    step      BIGINT           NOT NULL DEFAULT 0,
    attempts  BIGINT           NOT NULL DEFAULT 0, -- how often it was sent
    PRIMARY KEY (sync_id, kind, device_id, column_id)
);
CREATE INDEX brake_items_step ON brake_items (sync_id, kind, step, device_id);

-- What the brake holds of a mapping, as its latest sync worked it out.
CREATE TABLE held_changes (
    mapping_id UUID             NOT NULL REFERENCES mappings (mapping_id),
    kind       TEXT COLLATE "C" NOT NULL,
    device_id  TEXT COLLATE "C" NOT NULL,
    column_id  TEXT COLLATE "C" NOT NULL DEFAULT '',
    tenant     TEXT COLLATE "C" NOT NULL,
    record_id  TEXT COLLATE "C",
    PRIMARY KEY (mapping_id, kind, device_id, column_id)
);

-- What was held when somebody approved it: the sync that was queued for it lets this through, and nothing more.
CREATE TABLE approved_changes (
    sync_id   UUID             NOT NULL REFERENCES syncs (sync_id),
    kind      TEXT COLLATE "C" NOT NULL,
    device_id TEXT COLLATE "C" NOT NULL,
    column_id TEXT COLLATE "C" NOT NULL DEFAULT '',
    tenant    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (sync_id, kind, device_id, column_id)
);

-- The records of a sync that applies a shown plan, as they stood before anything was decided on. It decides twice: first
-- like the dry run, to compare, then, if nothing has moved, from these rows again, in earnest. Empty at all other times.
CREATE TABLE kept_records (
    sync_id         UUID             NOT NULL REFERENCES syncs (sync_id),
    device_id       TEXT COLLATE "C" NOT NULL,
    tenant          TEXT COLLATE "C" NOT NULL,
    mapping_id      UUID             NOT NULL,
    identifier      TEXT,
    identifier_key  TEXT COLLATE "C",
    serial_number   TEXT COLLATE "C",
    fingerprint     BYTEA            NOT NULL,
    last_enrollment BIGINT,
    last_check_in   BIGINT,
    wanted          TEXT,
    found           TEXT,
    step            BIGINT           NOT NULL,
    attempts        BIGINT           NOT NULL,
    outcome         TEXT COLLATE "C" NOT NULL,
    reason          TEXT COLLATE "C",
    message         TEXT,
    record_id       TEXT COLLATE "C",
    changes         TEXT,
    plan            TEXT,
    PRIMARY KEY (sync_id, device_id)
);

-- Where a tenant's alerts go.
CREATE TABLE alert_targets (
    tenant              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    url                 TEXT             NOT NULL,
    secret              BYTEA            NOT NULL, -- sealed: the key of the signature
    secret_hint         TEXT             NOT NULL,
    enabled             BOOLEAN          NOT NULL,
    lease_until         BIGINT           NOT NULL DEFAULT 0, -- until then one process delivers this tenant's alerts, and no other
    last_delivered_time BIGINT, -- of alerts and of tests
    last_error          TEXT,   -- why the last try failed; unset: it did not
    last_error_time     BIGINT,
    create_time         BIGINT           NOT NULL,
    update_time         BIGINT           NOT NULL,
    version             BIGINT           NOT NULL DEFAULT 1
);

-- Alerts to deliver, at least once: written with the change of health they tell of.
CREATE TABLE alerts (
    alert_id       UUID             NOT NULL PRIMARY KEY,
    tenant         TEXT COLLATE "C" NOT NULL,
    mapping_id     UUID,
    kind           TEXT COLLATE "C" NOT NULL,
    body           TEXT             NOT NULL, -- JSON, as it is sent
    attempts       BIGINT           NOT NULL DEFAULT 0,
    next_try_time  BIGINT           NOT NULL,
    create_time    BIGINT           NOT NULL,
    delivered_time BIGINT,
    gave_up_time   BIGINT,
    last_error     TEXT
);
CREATE INDEX alerts_due ON alerts (next_try_time) WHERE delivered_time IS NULL AND gave_up_time IS NULL;
CREATE INDEX alerts_tenant ON alerts (tenant, create_time);
CREATE INDEX alerts_old ON alerts (create_time);
