-- Leases of jobs that one process at a time does for all servers of the database.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    token TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
