-- Retention: when old rows are deleted next, since when usage is complete, and indexes that find the old rows of a table.
CREATE TABLE retention (id INTEGER PRIMARY KEY, next_run_at BIGINT NOT NULL, usage_since BIGINT NOT NULL);
CREATE INDEX projects_deleted ON projects (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX api_keys_revoked ON api_keys (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX api_keys_expiring ON api_keys (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX blackhole_ports_ended ON blackhole_ports (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX login_sessions_expiring ON login_sessions (refresh_expires_at);
-- The deletion of a project looks for rows that refer to it.
CREATE INDEX floating_ips_by_project ON floating_ips (project_id);
