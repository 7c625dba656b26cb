-- Secrets of tenants, such as the certificates of load balancers, and what uses them.
CREATE TABLE secrets (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL,
    region_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    secret_type TEXT NOT NULL,
    payload TEXT NOT NULL,
    content_type TEXT NOT NULL,
    status TEXT NOT NULL,
    algorithm TEXT,
    bit_length BIGINT,
    mode TEXT,
    expires_at BIGINT,
    task_id TEXT,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX secrets_by_place ON secrets (project_id, region_id, created_at, id);
CREATE TABLE secret_uses (
    secret_id TEXT NOT NULL REFERENCES secrets (id),
    holder_id TEXT NOT NULL,
    holder_kind TEXT NOT NULL,
    PRIMARY KEY (secret_id, holder_id)
);
CREATE INDEX secret_uses_by_holder ON secret_uses (holder_id);
