-- Lists show one kind of instance, newest first; the count of them is read off the index alone.
CREATE INDEX instances_listed ON instances (project_id, region_id, kind, created_at, id);

DROP INDEX instances_by_time;
