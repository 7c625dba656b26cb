-- Region homes: the server that has the machines of a region in its data directory, and its address for other servers.
CREATE TABLE region_homes (
    region_id BIGINT PRIMARY KEY,
    driver TEXT NOT NULL,
    home_id TEXT NOT NULL,
    place TEXT NOT NULL,
    address TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);
