-- Finds the resources with a tag of a value, and those with a tag of a key and a value.
CREATE INDEX tags_of_value ON tags (kind, project_id, region_id, value, key, resource_id);
