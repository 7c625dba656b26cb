-- The digest of the newest key that encrypts secrets, and the data directory that the machines of a driver live in.
CREATE TABLE secret_keys (id INTEGER PRIMARY KEY, digest TEXT NOT NULL, encrypted INTEGER NOT NULL);
CREATE TABLE driver_homes (
    driver TEXT PRIMARY KEY, home_id TEXT NOT NULL, place TEXT NOT NULL, created_at BIGINT NOT NULL
);
