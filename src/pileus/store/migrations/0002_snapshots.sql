-- What took a snapshot that nobody asked for.
ALTER TABLE snapshots ADD COLUMN schedule_id TEXT;
ALTER TABLE snapshots ADD COLUMN lifecycle_policy_id BIGINT;
CREATE INDEX snapshots_by_time ON snapshots (project_id, region_id, created_at, id);
CREATE INDEX snapshots_by_schedule ON snapshots (schedule_id) WHERE schedule_id IS NOT NULL;
