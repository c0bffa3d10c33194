-- Calls are shared out among tenants, and slots are a tenant's over all workers. Only additions: a program of before leaves
-- the tenant of its lots empty, and counts all lots alike.
ALTER TABLE budget_lots ADD COLUMN tenant TEXT COLLATE "C" NOT NULL DEFAULT '';

-- Tenants that asked for calls in vain and will ask again: what is free is kept for them first.
CREATE TABLE budget_wishes (
    api        TEXT COLLATE "C" NOT NULL,
    tenant     TEXT COLLATE "C" NOT NULL,
    since_time BIGINT           NOT NULL,
    until_time BIGINT           NOT NULL, -- who has not asked again by then is gone
    PRIMARY KEY (api, tenant)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);

-- The slices that a tenant has at work, over all workers.
CREATE TABLE tenant_slots (
    tenant      TEXT COLLATE "C" NOT NULL,
    slot        BIGINT           NOT NULL,
    sync_id     UUID             NOT NULL,
    holder      UUID             NOT NULL, -- of this one slice
    expire_time BIGINT           NOT NULL, -- a worker that was killed gives nothing back
    PRIMARY KEY (tenant, slot)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
