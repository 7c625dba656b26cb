-- Controls: what operators set at run time. The row `stamp` is new after each change, so that all processes notice it.
CREATE TABLE controls (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE http_faults (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    operation TEXT,
    method TEXT,
    path TEXT,
    client_id BIGINT,
    project_id BIGINT,
    status INTEGER,
    message TEXT,
    retry_after INTEGER,
    seconds TEXT,
    max_seconds TEXT,
    probability TEXT NOT NULL,
    seed BIGINT NOT NULL,
    times INTEGER,
    skip INTEGER NOT NULL,
    matches BIGINT NOT NULL,
    hits BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
