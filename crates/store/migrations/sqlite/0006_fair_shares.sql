-- Calls are shared out among tenants, and slots are a tenant's over all workers. Only additions: a program of before leaves
-- the tenant of its lots empty, and counts all lots alike.
ALTER TABLE budget_lots ADD COLUMN tenant TEXT NOT NULL DEFAULT '';

-- Tenants that asked for calls in vain and will ask again: what is free is kept for them first.
CREATE TABLE budget_wishes (
    api        TEXT   NOT NULL,
    tenant     TEXT   NOT NULL,
    since_time BIGINT NOT NULL,
    until_time BIGINT NOT NULL, -- who has not asked again by then is gone
    PRIMARY KEY (api, tenant)
) WITHOUT ROWID;

-- The slices that a tenant has at work, over all workers.
CREATE TABLE tenant_slots (
    tenant      TEXT   NOT NULL,
    slot        BIGINT NOT NULL,
    sync_id     BLOB   NOT NULL,
    holder      BLOB   NOT NULL, -- of this one slice
    expire_time BIGINT NOT NULL, -- a worker that was killed gives nothing back
    PRIMARY KEY (tenant, slot)
) WITHOUT ROWID;
