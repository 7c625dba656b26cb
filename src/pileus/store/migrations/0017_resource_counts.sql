-- Counts of records, kept by each change. Ports know whether their network is external: only such ports are counted.
ALTER TABLE ports ADD COLUMN external INTEGER NOT NULL DEFAULT 0;
UPDATE ports SET external = 1 WHERE network_id IN (SELECT id FROM networks WHERE external = 1);
CREATE TABLE resource_counts (
    scope TEXT NOT NULL,
    region_id BIGINT NOT NULL,
    owner_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    part TEXT NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (scope, region_id, owner_id, name, part)
);
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'tenant', region_id, client_id, 'servers', flavor_id, count(*) FROM instances GROUP BY 2, 3, 5;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'project', region_id, project_id, 'instances', kind, count(*) FROM instances GROUP BY 2, 3, 5;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'shard', region_id, client_id % 16, 'servers', flavor_id, count(*) FROM instances GROUP BY 2, 3, 5;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'shard', region_id, client_id % 16, 'host_load', host, count(*) FROM instances
    WHERE host IS NOT NULL GROUP BY 2, 3, 5;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'tenant', region_id, client_id, 'volume_count', '', count(*) FROM volumes GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'tenant', region_id, client_id, 'volume_size', '', sum(size) FROM volumes GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'project', region_id, project_id, 'volumes', '', count(*) FROM volumes GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'tenant', region_id, client_id, 'volume_snapshots_count', '', count(*) FROM snapshots GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'tenant', region_id, client_id, 'volume_snapshots_size', '', sum(size) FROM snapshots GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'project', region_id, project_id, 'snapshots', '', count(*) FROM snapshots GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'tenant', region_id, client_id, 'image_count', '', count(*) FROM images
    WHERE client_id IS NOT NULL GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'tenant', region_id, client_id, 'image_size', '', coalesce(sum(size), 0) FROM images
    WHERE client_id IS NOT NULL GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'tenant', region_id, client_id, 'floating_count', '', count(*) FROM floating_ips GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'project', region_id, project_id, 'floating_ips', '', count(*) FROM floating_ips GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'tenant', region_id, client_id, 'external_ip_count', '', count(*) FROM ports WHERE external = 1 GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'tenant', region_id, client_id, 'servergroup_count', '', count(*) FROM placement_groups GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'project', region_id, project_id, 'placement_groups', '', count(*) FROM placement_groups GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'tenant', region_id, client_id, 'firewall_count', '', count(*) FROM security_groups GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'project', region_id, project_id, 'security_groups', '', count(*) FROM security_groups GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'tenant', region_id, client_id, 'network_count', '', count(*) FROM networks
    WHERE client_id IS NOT NULL GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'project', region_id, project_id, 'networks', '', count(*) FROM networks
    WHERE project_id IS NOT NULL GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'tenant', region_id, client_id, 'subnet_count', '', count(*) FROM subnets
    WHERE client_id IS NOT NULL GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'tenant', region_id, client_id, 'router_count', '', count(*) FROM routers GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'project', region_id, project_id, 'routers', '', count(*) FROM routers GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'tenant', region_id, client_id, 'snapshot_schedule_count', '', count(*) FROM schedules GROUP BY 2, 3;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'tenant', 0, client_id, 'keypair_count', '', count(*) FROM ssh_keys GROUP BY 3;
