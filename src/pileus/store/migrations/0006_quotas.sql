-- What a tenant may have, where that differs from the catalogue; region 0 stands for what is counted in all regions.
CREATE TABLE quota_limits (
    client_id BIGINT NOT NULL REFERENCES clients (id),
    region_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (client_id, region_id, name)
);

CREATE TABLE limit_requests (
    id BIGINT PRIMARY KEY,
    client_id BIGINT NOT NULL REFERENCES clients (id),
    description TEXT NOT NULL,
    requested_limits TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX limit_requests_by_client ON limit_requests (client_id, created_at);

CREATE TABLE quota_thresholds (
    client_id BIGINT PRIMARY KEY REFERENCES clients (id),
    threshold INTEGER NOT NULL,
    last_sending BIGINT,
    last_message TEXT,
    revision BIGINT NOT NULL
);
