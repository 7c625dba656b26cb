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
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'tenant', 0, client_id, 'unfinished_tasks', substr(id, length(id), 1), count(*) FROM tasks
    WHERE finished_at IS NULL GROUP BY 3, 5;
INSERT INTO resource_counts (scope, region_id, owner_id, name, part, value)
    SELECT 'subnet', 0, 0, subnet_id, substr(ip, length(ip), 1), count(*) FROM addresses GROUP BY 4, 5;
-- Lists, and searches for what refers to a record, visit no rows of other tenants.
DROP INDEX security_groups_by_project;
CREATE INDEX security_groups_by_time ON security_groups (project_id, region_id, created_at, id);
CREATE INDEX security_groups_by_name ON security_groups (project_id, region_id, name, created_at, id);
CREATE INDEX security_group_rules_by_remote_group ON security_group_rules (remote_group_id)
    WHERE remote_group_id IS NOT NULL;
DROP INDEX placement_groups_by_project;
CREATE INDEX placement_groups_by_time ON placement_groups (project_id, region_id, created_at, id);
CREATE INDEX floating_ips_by_time ON floating_ips (project_id, region_id, created_at, id);
CREATE INDEX networks_by_time ON networks (project_id, region_id, created_at, id);
CREATE INDEX networks_external ON networks (region_id) WHERE external = 1;
CREATE INDEX networks_shared ON networks (region_id) WHERE shared = 1;
DROP INDEX images_by_project;
CREATE INDEX images_by_project ON images (project_id, region_id);
DROP INDEX ports_by_network;
CREATE INDEX ports_by_network ON ports (network_id, project_id);
CREATE INDEX ports_reserved ON ports (project_id, region_id) WHERE reserved = 1;
CREATE INDEX routers_by_external_network ON routers (external_network_id) WHERE external_network_id IS NOT NULL;
CREATE INDEX ddos_profiles_by_project ON ddos_profiles (project_id, region_id);
CREATE INDEX ssh_keys_by_client ON ssh_keys (client_id, created_at, id);
CREATE INDEX volumes_by_image ON volumes (image_id) WHERE image_id IS NOT NULL;
CREATE INDEX instances_in_installation ON instances (project_id, region_id) WHERE status IN ('BUILD', 'REBUILD');
CREATE INDEX api_keys_by_user ON api_keys (user_id);
