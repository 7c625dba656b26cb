-- oldest server: 0
-- Two indexes with the values: those of keys and of values, which find the same, take their place.
DROP INDEX IF EXISTS tags_by_key;
DROP INDEX IF EXISTS tags_by_value;
