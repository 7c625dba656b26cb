-- What the catalogue offers no more stays as long as it is known: servers have its flavors, ports its addresses.
CREATE TABLE flavors (id TEXT PRIMARY KEY, flavor TEXT NOT NULL);
ALTER TABLE networks ADD COLUMN retired INTEGER NOT NULL DEFAULT 0;
ALTER TABLE subnets ADD COLUMN retired INTEGER NOT NULL DEFAULT 0;
