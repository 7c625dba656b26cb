-- A step is known by its name, so that a version with other steps resumes at the right one. Tasks wait for drivers.
ALTER TABLE tasks ADD COLUMN last_step TEXT;
ALTER TABLE tasks ADD COLUMN waiting_since BIGINT;
ALTER TABLE tasks ADD COLUMN unreachable_since BIGINT;
