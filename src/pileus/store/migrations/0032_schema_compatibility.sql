-- Compatibility: the newest migration that a server has to know to use the schema after a migration; 0 for any server.
ALTER TABLE schema_versions ADD COLUMN oldest_server INTEGER NOT NULL DEFAULT 0;
