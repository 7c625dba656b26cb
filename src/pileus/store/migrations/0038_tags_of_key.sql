-- Finds the resources with a tag of a key. Without the value, a change of a value leaves it alone.
CREATE INDEX tags_of_key ON tags (kind, project_id, region_id, key, resource_id);
