-- A worker that died may have gone further in its task than it has saved.
ALTER TABLE tasks ADD COLUMN interrupted INTEGER NOT NULL DEFAULT 0;
