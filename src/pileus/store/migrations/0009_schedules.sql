-- Snapshots by schedule: policies, their schedules and volumes, and what is due.
CREATE TABLE lifecycle_policies (
    id BIGINT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL,
    region_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    action TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX lifecycle_policies_by_place ON lifecycle_policies (project_id, region_id, id);
CREATE TABLE policy_volumes (
    lifecycle_policy_id BIGINT NOT NULL,
    volume_id TEXT NOT NULL,
    PRIMARY KEY (lifecycle_policy_id, volume_id)
);
CREATE INDEX policy_volumes_by_volume ON policy_volumes (volume_id);
CREATE TABLE schedules (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL,
    region_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    lifecycle_policy_id BIGINT NOT NULL,
    timing TEXT NOT NULL,
    max_quantity BIGINT NOT NULL,
    retention_time TEXT,
    resource_name_template TEXT NOT NULL,
    next_at BIGINT,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX schedules_by_policy ON schedules (lifecycle_policy_id, created_at, id);
CREATE INDEX schedules_by_place ON schedules (project_id, region_id);
CREATE INDEX schedules_waiting ON schedules (next_at) WHERE next_at IS NOT NULL;
-- A volume that a task holds is waited for, and the server may end in between.
CREATE TABLE due_snapshots (
    schedule_id TEXT NOT NULL,
    volume_id TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    PRIMARY KEY (schedule_id, volume_id)
);
CREATE INDEX due_snapshots_by_volume ON due_snapshots (volume_id);
ALTER TABLE snapshots ADD COLUMN expires_at BIGINT;
CREATE INDEX snapshots_expiring ON snapshots (expires_at) WHERE expires_at IS NOT NULL;
