-- Counts of instances by status, for the metrics.
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'shard', region_id, client_id % 16, 'instance_statuses', status, count(*) FROM instances GROUP BY 2, 3, 5;
