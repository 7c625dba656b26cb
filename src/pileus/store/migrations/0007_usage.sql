-- What has been used and is not any more: an interval ends when a thing goes, or when what it costs changes.
CREATE TABLE usage_records (
    resource_id TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    type TEXT NOT NULL,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL,
    region_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    facts TEXT NOT NULL,
    tags TEXT NOT NULL,
    PRIMARY KEY (resource_id, started_at)
);
CREATE INDEX usage_records_by_time ON usage_records (client_id, ended_at);
