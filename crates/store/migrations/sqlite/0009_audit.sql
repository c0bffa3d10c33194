-- Who called what, and with what result (see audit.rs). Only an addition.

-- A row for each call that changes something, or tried to. Rows are only ever added, and go when they are old.
CREATE TABLE audit_events (
    event_id      BLOB   NOT NULL PRIMARY KEY,
    tenant        TEXT   NOT NULL,
    create_time   BIGINT NOT NULL,
    method        TEXT   NOT NULL, -- such as TriggerSync
    actor         TEXT   NOT NULL, -- the caller's name; empty where nobody is asked for one
    proof         TEXT   NOT NULL, -- how it was shown
    role          TEXT   NOT NULL, -- at that time
    peer          TEXT   NOT NULL, -- the address that the call came from
    code          TEXT   NOT NULL, -- OK, or the code of the refusal
    reason        TEXT   NOT NULL,
    request_id    TEXT   NOT NULL,
    connection_id BLOB,
    mapping_id    BLOB,
    sync_id       BLOB,
    fields        TEXT   NOT NULL  -- names of the fields that the call set, a JSON array; no values
) WITHOUT ROWID;
CREATE INDEX audit_events_by_tenant ON audit_events (tenant, event_id);
CREATE INDEX audit_events_by_time ON audit_events (create_time);

CREATE TRIGGER audit_events_are_never_changed BEFORE UPDATE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'audit events are never changed');
END;

CREATE TRIGGER audit_events_stay_for_30_days BEFORE DELETE ON audit_events
WHEN OLD.create_time > CAST((unixepoch('now', 'subsec') - 30 * 86400) * 1000000 AS INTEGER)
BEGIN
    SELECT RAISE(ABORT, 'audit events stay for at least 30 days');
END;
