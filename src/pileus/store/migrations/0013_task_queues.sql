-- Tasks wait in a queue of their tenant and region, for a slot of their class. A fault can hold a task.
ALTER TABLE tasks ADD COLUMN slot_class TEXT NOT NULL DEFAULT 'quick';
ALTER TABLE tasks ADD COLUMN queue TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN held_by TEXT REFERENCES faults (id) ON DELETE SET NULL;
UPDATE tasks SET queue = CAST(client_id AS TEXT) || '/' || CAST(coalesce(region_id, 0) AS TEXT)
WHERE state IN ('NEW', 'RUNNING');
UPDATE tasks SET slot_class = 'slow' WHERE state IN ('NEW', 'RUNNING')
    AND task_type IN ('download_image', 'create_image', 'create_snapshot', 'revert_volume');
DROP INDEX tasks_waiting;
CREATE INDEX tasks_queued ON tasks (slot_class, queue, lease_until, created_at)
    WHERE state IN ('NEW', 'RUNNING') AND held_by IS NULL;
CREATE INDEX tasks_unfinished ON tasks (client_id, task_type) WHERE state IN ('NEW', 'RUNNING');
CREATE INDEX tasks_held ON tasks (held_by) WHERE held_by IS NOT NULL;
