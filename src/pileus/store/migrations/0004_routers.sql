-- A router is made with the network that it names, if it names one; it leads to the external one.
CREATE TABLE routers (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    region_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    network_id TEXT,
    external_network_id TEXT REFERENCES networks (id),
    enable_snat INTEGER NOT NULL,
    routes TEXT NOT NULL,
    status TEXT NOT NULL,
    task_id TEXT,
    creator_task_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX routers_by_time ON routers (project_id, region_id, created_at, id);
CREATE INDEX routers_by_network ON routers (network_id) WHERE network_id IS NOT NULL;

CREATE TABLE router_ports (
    id TEXT PRIMARY KEY,
    router_id TEXT NOT NULL REFERENCES routers (id),
    network_id TEXT NOT NULL REFERENCES networks (id),
    gateway INTEGER NOT NULL,
    mac_address TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);
CREATE INDEX router_ports_by_router ON router_ports (router_id);
CREATE INDEX router_ports_by_network ON router_ports (network_id);

ALTER TABLE addresses ADD COLUMN router_port_id TEXT REFERENCES router_ports (id);
CREATE INDEX addresses_by_router_port ON addresses (router_port_id) WHERE router_port_id IS NOT NULL;

CREATE UNIQUE INDEX networks_by_segment ON networks (region_id, type, segmentation_id) WHERE external = 0;
CREATE INDEX subnets_by_project ON subnets (project_id, region_id);
