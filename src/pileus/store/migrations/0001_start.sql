-- Times are microseconds since 1970 (UTC); flags are 0 or 1; JSON is kept as text: one text for SQLite and PostgreSQL.

CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL);

CREATE TABLE clients (id BIGINT PRIMARY KEY, name TEXT NOT NULL, created_at BIGINT NOT NULL);

CREATE TABLE users (
    id BIGINT PRIMARY KEY, client_id BIGINT NOT NULL REFERENCES clients (id), email TEXT NOT NULL, created_at BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id BIGINT PRIMARY KEY,
    client_id BIGINT NOT NULL REFERENCES clients (id),
    user_id BIGINT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    digest TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);

CREATE TABLE projects (
    id BIGINT PRIMARY KEY,
    client_id BIGINT NOT NULL REFERENCES clients (id),
    name TEXT NOT NULL,
    description TEXT,
    state TEXT NOT NULL,
    is_default INTEGER NOT NULL,
    task_id TEXT,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT,
    revision BIGINT NOT NULL
);
CREATE UNIQUE INDEX projects_by_name ON projects (client_id, name) WHERE deleted_at IS NULL;

CREATE TABLE tasks (
    id TEXT PRIMARY KEY,
    task_type TEXT NOT NULL,
    state TEXT NOT NULL,
    client_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    project_id BIGINT,
    region_id BIGINT,
    request_id TEXT,
    data TEXT NOT NULL,
    args TEXT NOT NULL,
    created_resources TEXT,
    error TEXT,
    step INTEGER NOT NULL,
    undoing INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    lease_token TEXT,
    lease_until BIGINT NOT NULL,
    acknowledged_at BIGINT,
    acknowledged_by BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT,
    finished_at BIGINT
);
CREATE INDEX tasks_waiting ON tasks (lease_until, created_at) WHERE state IN ('NEW', 'RUNNING');
CREATE INDEX tasks_by_time ON tasks (client_id, created_at);

CREATE TABLE instances (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    region_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    kind TEXT NOT NULL,
    flavor_id TEXT NOT NULL,
    status TEXT NOT NULL,
    vm_state TEXT NOT NULL,
    task_state TEXT,
    task_id TEXT,
    creator_task_id TEXT,
    ssh_key_id TEXT,
    placement_group_id TEXT,
    host TEXT,
    isolated INTEGER NOT NULL,
    isolation_reason TEXT,
    boot TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX instances_by_time ON instances (project_id, region_id, created_at, id);
CREATE INDEX instances_by_placement_group ON instances (placement_group_id) WHERE placement_group_id IS NOT NULL;
CREATE INDEX instances_by_flavor ON instances (region_id, flavor_id);

CREATE TABLE tags (
    resource_id TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    read_only INTEGER NOT NULL,
    kind TEXT NOT NULL,
    project_id BIGINT,
    region_id BIGINT,
    PRIMARY KEY (resource_id, key)
);
CREATE INDEX tags_by_key ON tags (kind, project_id, region_id, key, value, resource_id);
CREATE INDEX tags_by_value ON tags (kind, project_id, region_id, value, resource_id);

CREATE TABLE images (
    id TEXT PRIMARY KEY,
    client_id BIGINT,
    project_id BIGINT,
    region_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    status TEXT NOT NULL,
    visibility TEXT NOT NULL,
    size BIGINT,
    min_disk INTEGER NOT NULL,
    min_ram INTEGER NOT NULL,
    os_distro TEXT NOT NULL,
    os_type TEXT NOT NULL,
    os_version TEXT NOT NULL,
    architecture TEXT NOT NULL,
    ssh_key TEXT,
    disk_format TEXT NOT NULL,
    display_order INTEGER,
    is_baremetal INTEGER NOT NULL,
    hw_firmware_type TEXT,
    hw_machine_type TEXT,
    task_id TEXT,
    creator_task_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX images_by_project ON images (region_id, project_id);

CREATE TABLE volumes (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    region_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    type_name TEXT NOT NULL,
    status TEXT NOT NULL,
    bootable INTEGER NOT NULL,
    image_id TEXT,
    snapshot_id TEXT,
    apptemplate_id TEXT,
    task_id TEXT,
    creator_task_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX volumes_by_time ON volumes (project_id, region_id, created_at, id);

CREATE TABLE attachments (
    volume_id TEXT PRIMARY KEY REFERENCES volumes (id),
    id TEXT NOT NULL UNIQUE,
    instance_id TEXT NOT NULL REFERENCES instances (id),
    device TEXT NOT NULL,
    boot_index INTEGER NOT NULL,
    delete_on_termination INTEGER NOT NULL,
    attachment_tag TEXT,
    attached_at BIGINT NOT NULL,
    UNIQUE (instance_id, device)
);

CREATE TABLE snapshots (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    region_id BIGINT NOT NULL,
    volume_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    size INTEGER NOT NULL,
    status TEXT NOT NULL,
    task_id TEXT,
    creator_task_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX snapshots_by_volume ON snapshots (volume_id);

CREATE TABLE networks (
    id TEXT PRIMARY KEY,
    client_id BIGINT,
    project_id BIGINT,
    region_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    mtu INTEGER NOT NULL,
    segmentation_id INTEGER,
    external INTEGER NOT NULL,
    shared INTEGER NOT NULL,
    is_default INTEGER NOT NULL,
    port_security_enabled INTEGER NOT NULL,
    task_id TEXT,
    creator_task_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX networks_by_project ON networks (region_id, project_id);

CREATE TABLE subnets (
    id TEXT PRIMARY KEY,
    client_id BIGINT,
    project_id BIGINT,
    region_id BIGINT NOT NULL,
    network_id TEXT NOT NULL REFERENCES networks (id),
    name TEXT NOT NULL,
    cidr TEXT NOT NULL,
    ip_version INTEGER NOT NULL,
    gateway_ip TEXT,
    enable_dhcp INTEGER NOT NULL,
    dns_nameservers TEXT,
    host_routes TEXT NOT NULL,
    task_id TEXT,
    creator_task_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX subnets_by_network ON subnets (network_id);

CREATE TABLE ports (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    region_id BIGINT NOT NULL,
    network_id TEXT NOT NULL REFERENCES networks (id),
    instance_id TEXT REFERENCES instances (id),
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    interface_name TEXT,
    mac_address TEXT NOT NULL UNIQUE,
    port_security_enabled INTEGER NOT NULL,
    allowed_address_pairs TEXT NOT NULL,
    port_group INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    is_vip INTEGER NOT NULL,
    task_id TEXT,
    creator_task_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX ports_by_instance ON ports (instance_id, position);
CREATE INDEX ports_by_network ON ports (network_id);
CREATE INDEX ports_by_project ON ports (project_id, region_id);

CREATE TABLE floating_ips (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    region_id BIGINT NOT NULL,
    floating_ip_address TEXT NOT NULL,
    port_id TEXT REFERENCES ports (id),
    fixed_ip_address TEXT,
    router_id TEXT,
    status TEXT NOT NULL,
    task_id TEXT,
    creator_task_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    UNIQUE (region_id, floating_ip_address)
);
CREATE UNIQUE INDEX floating_ips_by_port ON floating_ips (port_id, fixed_ip_address) WHERE port_id IS NOT NULL;

-- The address book: an address in use belongs to a port, or to a floating IP; the key makes giving it twice impossible.
CREATE TABLE addresses (
    subnet_id TEXT NOT NULL REFERENCES subnets (id),
    ip TEXT NOT NULL,
    port_id TEXT REFERENCES ports (id),
    floating_ip_id TEXT REFERENCES floating_ips (id),
    PRIMARY KEY (subnet_id, ip)
);
CREATE INDEX addresses_by_port ON addresses (port_id);
CREATE INDEX addresses_by_floating_ip ON addresses (floating_ip_id);

CREATE TABLE security_groups (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    region_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    is_default INTEGER NOT NULL,
    task_id TEXT,
    creator_task_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX security_groups_by_project ON security_groups (project_id, region_id);
CREATE UNIQUE INDEX security_groups_default ON security_groups (project_id, region_id) WHERE is_default = 1;

CREATE TABLE security_group_rules (
    id TEXT PRIMARY KEY,
    security_group_id TEXT NOT NULL REFERENCES security_groups (id),
    direction TEXT NOT NULL,
    ethertype TEXT,
    protocol TEXT,
    port_range_min INTEGER,
    port_range_max INTEGER,
    remote_ip_prefix TEXT,
    remote_group_id TEXT,
    description TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX security_group_rules_by_group ON security_group_rules (security_group_id);

CREATE TABLE port_security_groups (
    port_id TEXT NOT NULL REFERENCES ports (id),
    security_group_id TEXT NOT NULL REFERENCES security_groups (id),
    PRIMARY KEY (port_id, security_group_id)
);
CREATE INDEX port_security_groups_by_group ON port_security_groups (security_group_id);

CREATE TABLE ssh_keys (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    user_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    public_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    state TEXT NOT NULL,
    shared_in_project INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    UNIQUE (project_id, name)
);

CREATE TABLE placement_groups (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    region_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    policy TEXT NOT NULL,
    task_id TEXT,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX placement_groups_by_project ON placement_groups (project_id, region_id);

CREATE TABLE ddos_profiles (
    id BIGINT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    region_id BIGINT NOT NULL,
    ip_address TEXT NOT NULL,
    template_id BIGINT NOT NULL,
    fields TEXT NOT NULL,
    protocols TEXT,
    active INTEGER NOT NULL,
    bgp INTEGER NOT NULL,
    site TEXT,
    status TEXT NOT NULL,
    error_description TEXT NOT NULL,
    task_id TEXT,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    UNIQUE (region_id, ip_address)
);

CREATE TABLE blackhole_ports (
    id BIGINT PRIMARY KEY,
    region_id BIGINT NOT NULL,
    destination_ip TEXT NOT NULL,
    alarm_state TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX blackhole_ports_by_address ON blackhole_ports (destination_ip, region_id);

CREATE TABLE user_actions (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    email TEXT,
    token_id BIGINT,
    project_id BIGINT,
    region_id BIGINT,
    api_group TEXT NOT NULL,
    action_type TEXT NOT NULL,
    action_data TEXT,
    resources TEXT NOT NULL,
    task_id TEXT,
    source_user_ip TEXT,
    user_agent TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX user_actions_by_time ON user_actions (client_id, created_at);

CREATE TABLE capacities (
    region_id BIGINT NOT NULL, flavor_id TEXT NOT NULL, servers INTEGER NOT NULL, PRIMARY KEY (region_id, flavor_id)
);

-- What an operator of the simulated cloud has asked to go wrong; empty on any other driver.
CREATE TABLE faults (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    task_type TEXT,
    step TEXT,
    message TEXT,
    times INTEGER,
    created_at BIGINT NOT NULL
);
