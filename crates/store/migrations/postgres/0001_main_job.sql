-- The tables of ../sqlite, version by version and column by column: one program reads both.
--
-- Times are microseconds since the Unix epoch (integers): exact, comparable, the same on both databases.
-- Ids are UUIDv7. Every row belongs to a tenant.
--
-- Texts that stand in an index or give an order are compared byte by byte (COLLATE "C"), as SQLite does it: pages of a list
-- must not depend on the server's locale, nor an index go bad when the server gets another C library.
--
-- Where rows are changed often, their pages are left partly free (fillfactor), and no index is on what changes with every
-- sync: the new version of a row then stays on its page and touches no index (HOT).

CREATE TABLE connections (
    connection_id        UUID             NOT NULL PRIMARY KEY,
    tenant               TEXT COLLATE "C" NOT NULL,
    display_name         TEXT             NOT NULL,
    kandji_base_url      TEXT             NOT NULL, -- as the administrator entered it
    kandji_api_url       TEXT             NOT NULL, -- what it resolved to
    kandji_customer      TEXT             NOT NULL, -- canonical API host: one Kandji customer, one budget
    kandji_token         BYTEA            NOT NULL, -- sealed
    kandji_token_hint    TEXT             NOT NULL,
    asset_panda_base_url TEXT             NOT NULL,
    asset_panda_key      BYTEA            NOT NULL, -- sealed: key id and secret
    asset_panda_key_hint TEXT             NOT NULL,
    account_id           TEXT,
    module_id            TEXT,
    state                TEXT             NOT NULL, -- UNVERIFIED, VERIFIED, FAILING
    state_reason         TEXT             NOT NULL DEFAULT '',
    verify_time          BIGINT,
    refused_since        BIGINT, -- the first 401 or 403 since the last success
    create_time          BIGINT           NOT NULL,
    update_time          BIGINT           NOT NULL,
    version              BIGINT           NOT NULL DEFAULT 1
);
CREATE INDEX connections_tenant ON connections (tenant, connection_id);

CREATE TABLE mappings (
    mapping_id              UUID             NOT NULL PRIMARY KEY,
    tenant                  TEXT COLLATE "C" NOT NULL,
    connection_id           UUID             NOT NULL REFERENCES connections (connection_id),
    display_name            TEXT             NOT NULL,
    external_entity         TEXT             NOT NULL,
    collection_id           TEXT             NOT NULL,
    collection_key          TEXT COLLATE "C" NOT NULL, -- Asset Panda host and collection: the target of one mapping in the whole installation
    revision                BIGINT           NOT NULL,
    state                   TEXT             NOT NULL, -- ACTIVE, PAUSED, BROKEN
    state_reason            TEXT             NOT NULL DEFAULT '',
    interval_ms             BIGINT, -- unset: manual
    full_sync_every_ms      BIGINT           NOT NULL,
    next_sync_time          BIGINT,
    next_full_time          BIGINT           NOT NULL,
    fleet_size              BIGINT, -- devices in the last complete read
    last_complete_read_time BIGINT, -- when the sync of the last complete read began
    last_sync_id            UUID,
    last_success_time       BIGINT,
    linked_count            BIGINT           NOT NULL DEFAULT 0,
    rejected_count          BIGINT           NOT NULL DEFAULT 0,
    create_time             BIGINT           NOT NULL,
    update_time             BIGINT           NOT NULL,
    version                 BIGINT           NOT NULL DEFAULT 1
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX mappings_collection ON mappings (collection_key);
CREATE INDEX mappings_tenant ON mappings (tenant, mapping_id);
CREATE INDEX mappings_due ON mappings (next_sync_time) WHERE next_sync_time IS NOT NULL;

-- What a mapping said at each revision: a sync runs at the one it was made with.
CREATE TABLE mapping_revisions (
    mapping_id  UUID             NOT NULL REFERENCES mappings (mapping_id),
    revision    BIGINT           NOT NULL,
    tenant      TEXT COLLATE "C" NOT NULL,
    spec        TEXT             NOT NULL, -- JSON
    create_time BIGINT           NOT NULL,
    PRIMARY KEY (mapping_id, revision)
);

CREATE TABLE syncs (
    sync_id              UUID             NOT NULL PRIMARY KEY,
    tenant               TEXT COLLATE "C" NOT NULL,
    mapping_id           UUID             NOT NULL REFERENCES mappings (mapping_id),
    revision             BIGINT           NOT NULL,
    mode                 TEXT             NOT NULL, -- INCREMENTAL, FULL
    dry_run              BOOLEAN          NOT NULL,
    retry_rejected       BOOLEAN          NOT NULL,
    trigger_kind         TEXT             NOT NULL, -- CALL, SCHEDULE, FIRST
    state                TEXT             NOT NULL,
    phase                TEXT             NOT NULL,
    fence                BIGINT           NOT NULL DEFAULT 0,
    checkpoint           TEXT             NOT NULL DEFAULT '{}', -- JSON: where the phase stands
    count_read           BIGINT           NOT NULL DEFAULT 0,
    count_created        BIGINT           NOT NULL DEFAULT 0,
    count_adopted        BIGINT           NOT NULL DEFAULT 0,
    count_updated        BIGINT           NOT NULL DEFAULT 0,
    count_unchanged      BIGINT           NOT NULL DEFAULT 0,
    count_skipped        BIGINT           NOT NULL DEFAULT 0,
    count_rejected       BIGINT           NOT NULL DEFAULT 0,
    count_still_rejected BIGINT           NOT NULL DEFAULT 0,
    count_removed        BIGINT           NOT NULL DEFAULT 0,
    calls_kandji         BIGINT           NOT NULL DEFAULT 0,
    calls_asset_panda    BIGINT           NOT NULL DEFAULT 0,
    calls_left           BIGINT, -- estimate, known after DECIDE
    wait_reason          TEXT,
    wait_message         TEXT,
    wait_until           BIGINT,
    outage_since         BIGINT,
    outage_pauses        BIGINT           NOT NULL DEFAULT 0,
    error_reason         TEXT,
    error_message        TEXT,
    cancel_request_time  BIGINT,
    next_slice_time      BIGINT           NOT NULL, -- past: no job is behind it any more, and the sweep queues a fresh one
    traceparent          TEXT,
    create_time          BIGINT           NOT NULL,
    start_time           BIGINT,
    end_time             BIGINT
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX syncs_one_active ON syncs (mapping_id)
    WHERE state IN ('QUEUED', 'RUNNING', 'WAITING') AND NOT dry_run;
CREATE INDEX syncs_mapping ON syncs (tenant, mapping_id, sync_id);
CREATE INDEX syncs_tenant ON syncs (tenant, sync_id);
CREATE INDEX syncs_lost ON syncs (next_slice_time) WHERE state IN ('QUEUED', 'RUNNING', 'WAITING');

-- What one sync has to do with one device. step: 0 to look up, 1 to decide, 2 create, 3 update, 4 create sent,
-- 5 create unclear, 6 create alone, 7 update alone, 8 update sent, 9 done.
CREATE TABLE sync_records (
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
    wanted          TEXT, -- JSON: the projection; dropped once done
    found           TEXT, -- JSON: records with its identifier; dropped once done
    step            BIGINT           NOT NULL,
    attempts        BIGINT           NOT NULL DEFAULT 0, -- how often it was sent
    outcome         TEXT COLLATE "C" NOT NULL, -- PLANNED until done
    reason          TEXT COLLATE "C",
    message         TEXT,
    record_id       TEXT COLLATE "C",
    changes         TEXT, -- JSON
    plan            TEXT, -- JSON: what confirming it needs; dropped once done
    PRIMARY KEY (sync_id, device_id)
) WITH (fillfactor = 80);
CREATE INDEX sync_records_key ON sync_records (sync_id, identifier_key, outcome);
-- The last: of indexes that seem equally good, as all do on a small table, the planner takes the newest. A connection keeps
-- the plan that it made, also while an import fills the table.
CREATE INDEX sync_records_step ON sync_records (sync_id, step, device_id);

-- Devices a dry run has seen: it may not touch the links' own seen-marks. Dropped when it ends.
CREATE TABLE dry_run_seen (
    sync_id   UUID             NOT NULL REFERENCES syncs (sync_id),
    device_id TEXT COLLATE "C" NOT NULL,
    tenant    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (sync_id, device_id)
);

-- The narrow half of a link, read for every device of every sync; each sync marks all of a mapping's as seen.
-- flags: 1 has a record, 2 dirty (an update was sent and not confirmed), 4 quarantined, 8 rejected last time.
CREATE TABLE links (
    mapping_id      UUID             NOT NULL REFERENCES mappings (mapping_id),
    device_id       TEXT COLLATE "C" NOT NULL,
    tenant          TEXT COLLATE "C" NOT NULL,
    link_id         UUID             NOT NULL,
    fingerprint     BYTEA            NOT NULL,
    last_enrollment BIGINT,
    last_check_in   BIGINT,
    seen_sync       UUID,
    seen_time       BIGINT,
    passenger_time  BIGINT,
    flags           BIGINT           NOT NULL,
    PRIMARY KEY (mapping_id, device_id)
) WITH (fillfactor = 50);

-- The wide half: read only when the fingerprint differs.
CREATE TABLE link_values (
    link_id        UUID             NOT NULL PRIMARY KEY,
    tenant         TEXT COLLATE "C" NOT NULL,
    mapping_id     UUID             NOT NULL REFERENCES mappings (mapping_id),
    device_id      TEXT COLLATE "C" NOT NULL,
    serial_number  TEXT COLLATE "C",
    identifier     TEXT,
    identifier_key TEXT COLLATE "C",
    record_id      TEXT COLLATE "C",
    cells          TEXT             NOT NULL DEFAULT '[]', -- JSON: values last confirmed, in pair order
    forms          TEXT             NOT NULL DEFAULT '{}', -- JSON: Asset Panda's own forms of our values
    created_by_us  BOOLEAN          NOT NULL DEFAULT FALSE,
    confirmed_time BIGINT,
    reason         TEXT COLLATE "C", -- why it was rejected last
    message        TEXT,
    rejected_time  BIGINT
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX link_values_record ON link_values (mapping_id, record_id) WHERE record_id IS NOT NULL;
CREATE INDEX link_values_key ON link_values (mapping_id, identifier_key, device_id);
CREATE INDEX link_values_serial ON link_values (mapping_id, serial_number);
CREATE INDEX link_values_device ON link_values (mapping_id, device_id);

-- Creates in flight. They belong to the mapping and outlive the sync, whatever ends it.
CREATE TABLE intents (
    mapping_id     UUID             NOT NULL REFERENCES mappings (mapping_id),
    device_id      TEXT COLLATE "C" NOT NULL,
    tenant         TEXT COLLATE "C" NOT NULL,
    sync_id        UUID             NOT NULL,
    fence          BIGINT           NOT NULL,
    identifier     TEXT             NOT NULL,
    identifier_key TEXT COLLATE "C" NOT NULL,
    serial_number  TEXT COLLATE "C",
    applied        BOOLEAN          NOT NULL DEFAULT FALSE, -- confirmed written, its record id not yet known
    sent_time      BIGINT           NOT NULL,
    next_look_time BIGINT           NOT NULL,
    looks          BIGINT           NOT NULL DEFAULT 0,
    payload        TEXT             NOT NULL, -- JSON: what confirming it needs
    PRIMARY KEY (mapping_id, device_id)
);
CREATE INDEX intents_key ON intents (mapping_id, identifier_key);

-- Calls granted to processes in small lots, per API: the windows outlive a restart.
CREATE TABLE budget_lots (
    api          TEXT COLLATE "C" NOT NULL, -- 'kandji <customer>' or 'asset-panda <egress group>'
    lot_id       UUID             NOT NULL,
    granted_time BIGINT           NOT NULL,
    expire_time  BIGINT           NOT NULL, -- its calls may leave until then
    size         BIGINT           NOT NULL,
    PRIMARY KEY (api, lot_id)
);
CREATE INDEX budget_lots_time ON budget_lots (api, expire_time);
CREATE TABLE budget_blocks (
    api        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    until_time BIGINT           NOT NULL
) WITH (fillfactor = 50);

-- Answers to mutating calls, so that the same request_id gets the same answer (24 h).
CREATE TABLE requests (
    tenant      TEXT COLLATE "C" NOT NULL,
    request_id  TEXT COLLATE "C" NOT NULL,
    method      TEXT             NOT NULL,
    body_hash   BYTEA            NOT NULL,
    response    BYTEA            NOT NULL,
    create_time BIGINT           NOT NULL,
    PRIMARY KEY (tenant, request_id)
);
CREATE INDEX requests_time ON requests (create_time);

-- Worker processes that are alive.
CREATE TABLE workers (
    worker_id  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    start_time BIGINT           NOT NULL,
    beat_time  BIGINT           NOT NULL
) WITH (fillfactor = 50);

-- Which users are active, for one sync: read before the devices, where User Active is mapped. Dropped when it ends.
CREATE TABLE sync_users (
    sync_id UUID             NOT NULL REFERENCES syncs (sync_id),
    user_id TEXT COLLATE "C" NOT NULL,
    tenant  TEXT COLLATE "C" NOT NULL,
    active  BOOLEAN          NOT NULL,
    PRIMARY KEY (sync_id, user_id)
);
