-- Operators: a role above the tenants' own. Faults, capacities and alarms are of one tenant; 0 stands for all of them.
-- What an administrator injected before was of the whole server; it becomes the first tenant's.
UPDATE api_keys SET role = 'Operators' WHERE role = 'Administrators' AND id = (
    SELECT id FROM api_keys WHERE client_id = 1 ORDER BY created_at, id LIMIT 1
);
ALTER TABLE api_keys ADD COLUMN previous_digest TEXT;
ALTER TABLE api_keys ADD COLUMN previous_expires_at BIGINT;
CREATE INDEX api_keys_by_client ON api_keys (client_id, id);
ALTER TABLE faults ADD COLUMN client_id BIGINT NOT NULL DEFAULT 1;
CREATE INDEX faults_by_client ON faults (client_id);
ALTER TABLE blackhole_ports ADD COLUMN client_id BIGINT NOT NULL DEFAULT 1;
CREATE INDEX blackhole_ports_by_client ON blackhole_ports (client_id);
CREATE TABLE client_capacities (
    client_id BIGINT NOT NULL,
    region_id BIGINT NOT NULL,
    flavor_id TEXT NOT NULL,
    servers INTEGER NOT NULL,
    PRIMARY KEY (client_id, region_id, flavor_id)
);
INSERT INTO client_capacities (client_id, region_id, flavor_id, servers)
    SELECT 1, region_id, flavor_id, servers FROM capacities;
DROP TABLE capacities;
