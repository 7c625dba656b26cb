-- File shares with their access rules and addresses, and those of the simulated cloud.
CREATE TABLE file_shares (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL,
    region_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    size BIGINT NOT NULL,
    type_name TEXT NOT NULL,
    status TEXT NOT NULL,
    network_id TEXT,
    subnet_id TEXT,
    share_network_name TEXT,
    share_settings TEXT,
    connection_point TEXT,
    creator_task_id TEXT,
    task_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX file_shares_by_place ON file_shares (project_id, region_id, created_at, id);
CREATE INDEX file_shares_by_network ON file_shares (network_id);
CREATE TABLE share_access_rules (
    id TEXT PRIMARY KEY,
    file_share_id TEXT NOT NULL REFERENCES file_shares (id),
    access_to TEXT NOT NULL,
    access_level TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (file_share_id, access_to)
);
ALTER TABLE addresses ADD COLUMN file_share_id TEXT REFERENCES file_shares (id);
CREATE INDEX addresses_by_file_share ON addresses (file_share_id);
CREATE TABLE simulated_file_shares (
    id TEXT PRIMARY KEY,
    size BIGINT NOT NULL,
    type_name TEXT NOT NULL,
    settings TEXT,
    connection_point TEXT NOT NULL
);
CREATE TABLE simulated_share_rules (
    id TEXT PRIMARY KEY,
    file_share_id TEXT NOT NULL,
    access_to TEXT NOT NULL,
    access_level TEXT NOT NULL
);
CREATE INDEX simulated_share_rules_by_share ON simulated_share_rules (file_share_id);
