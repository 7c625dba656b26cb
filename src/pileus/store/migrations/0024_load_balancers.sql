-- Load balancers with their listeners, pools, members, health monitors, L7 policies and L7 rules, and their ports.
CREATE TABLE load_balancers (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    region_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    flavor_name TEXT NOT NULL,
    machine_generation BIGINT NOT NULL,
    vip_port_id TEXT NOT NULL,
    vip_address TEXT NOT NULL,
    vip_ip_family TEXT NOT NULL,
    preferred_connectivity TEXT NOT NULL,
    logging TEXT NOT NULL,
    provisioning_status TEXT NOT NULL,
    operating_status TEXT NOT NULL,
    admin_state_up INTEGER NOT NULL,
    task_id TEXT,
    creator_task_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX load_balancers_by_time ON load_balancers (project_id, region_id, created_at, id);
CREATE INDEX load_balancers_by_vip_port ON load_balancers (vip_port_id);
CREATE INDEX load_balancers_by_flavor ON load_balancers (region_id, flavor_name);

ALTER TABLE ports ADD COLUMN load_balancer_id TEXT;
ALTER TABLE ports ADD COLUMN vrrp_role TEXT;
CREATE INDEX ports_by_load_balancer ON ports (load_balancer_id) WHERE load_balancer_id IS NOT NULL;

CREATE TABLE pools (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    region_id BIGINT NOT NULL,
    load_balancer_id TEXT NOT NULL,
    name TEXT NOT NULL,
    protocol TEXT NOT NULL,
    lb_algorithm TEXT NOT NULL,
    session_persistence TEXT,
    secret_id TEXT,
    ca_secret_id TEXT,
    crl_secret_id TEXT,
    timeout_client_data BIGINT,
    timeout_member_connect BIGINT,
    timeout_member_data BIGINT,
    provisioning_status TEXT NOT NULL,
    operating_status TEXT NOT NULL,
    admin_state_up INTEGER NOT NULL,
    task_id TEXT,
    creator_task_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX pools_by_time ON pools (project_id, region_id, created_at, id);
CREATE INDEX pools_by_load_balancer ON pools (load_balancer_id);

CREATE TABLE listeners (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    region_id BIGINT NOT NULL,
    load_balancer_id TEXT NOT NULL,
    name TEXT NOT NULL,
    protocol TEXT NOT NULL,
    protocol_port BIGINT NOT NULL,
    default_pool_id TEXT,
    connection_limit BIGINT NOT NULL,
    timeout_client_data BIGINT NOT NULL,
    timeout_member_connect BIGINT NOT NULL,
    timeout_member_data BIGINT NOT NULL,
    insert_x_forwarded INTEGER NOT NULL,
    secret_id TEXT,
    sni_secret_ids TEXT NOT NULL,
    allowed_cidrs TEXT,
    user_list TEXT NOT NULL,
    provisioning_status TEXT NOT NULL,
    operating_status TEXT NOT NULL,
    admin_state_up INTEGER NOT NULL,
    task_id TEXT,
    creator_task_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX listeners_by_time ON listeners (project_id, region_id, created_at, id);
CREATE INDEX listeners_by_load_balancer ON listeners (load_balancer_id);
CREATE INDEX listeners_by_default_pool ON listeners (default_pool_id) WHERE default_pool_id IS NOT NULL;

CREATE TABLE members (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    region_id BIGINT NOT NULL,
    load_balancer_id TEXT NOT NULL REFERENCES load_balancers (id),
    pool_id TEXT NOT NULL REFERENCES pools (id),
    address TEXT NOT NULL,
    protocol_port BIGINT NOT NULL,
    weight BIGINT NOT NULL,
    backup INTEGER NOT NULL,
    monitor_address TEXT,
    monitor_port BIGINT,
    subnet_id TEXT,
    instance_id TEXT,
    provisioning_status TEXT NOT NULL,
    operating_status TEXT NOT NULL,
    admin_state_up INTEGER NOT NULL,
    task_id TEXT,
    creator_task_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    UNIQUE (pool_id, address, protocol_port)
);
CREATE INDEX members_by_load_balancer ON members (load_balancer_id);
CREATE INDEX members_by_subnet ON members (subnet_id) WHERE subnet_id IS NOT NULL;
CREATE INDEX members_by_project ON members (project_id, region_id, address);

CREATE TABLE health_monitors (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    region_id BIGINT NOT NULL,
    load_balancer_id TEXT NOT NULL REFERENCES load_balancers (id),
    pool_id TEXT NOT NULL UNIQUE REFERENCES pools (id),
    type TEXT NOT NULL,
    delay BIGINT NOT NULL,
    timeout BIGINT NOT NULL,
    max_retries BIGINT NOT NULL,
    max_retries_down BIGINT NOT NULL,
    http_method TEXT,
    url_path TEXT,
    expected_codes TEXT,
    http_version TEXT,
    domain_name TEXT,
    provisioning_status TEXT NOT NULL,
    operating_status TEXT NOT NULL,
    admin_state_up INTEGER NOT NULL,
    task_id TEXT,
    creator_task_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX health_monitors_by_load_balancer ON health_monitors (load_balancer_id);
CREATE INDEX health_monitors_by_project ON health_monitors (project_id, region_id);

CREATE TABLE l7_policies (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    region_id BIGINT NOT NULL,
    load_balancer_id TEXT NOT NULL,
    listener_id TEXT NOT NULL,
    name TEXT NOT NULL,
    action TEXT NOT NULL,
    position BIGINT NOT NULL,
    redirect_pool_id TEXT,
    redirect_url TEXT,
    redirect_prefix TEXT,
    redirect_http_code BIGINT,
    tags TEXT NOT NULL,
    provisioning_status TEXT NOT NULL,
    operating_status TEXT NOT NULL,
    admin_state_up INTEGER NOT NULL,
    task_id TEXT,
    creator_task_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX l7_policies_by_project ON l7_policies (project_id, region_id, listener_id, position);
CREATE INDEX l7_policies_by_load_balancer ON l7_policies (load_balancer_id);
CREATE INDEX l7_policies_by_listener ON l7_policies (listener_id, position);
CREATE INDEX l7_policies_by_pool ON l7_policies (redirect_pool_id) WHERE redirect_pool_id IS NOT NULL;

CREATE TABLE l7_rules (
    id TEXT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    region_id BIGINT NOT NULL,
    load_balancer_id TEXT NOT NULL REFERENCES load_balancers (id),
    l7_policy_id TEXT NOT NULL REFERENCES l7_policies (id),
    type TEXT NOT NULL,
    compare_type TEXT NOT NULL,
    key TEXT,
    value TEXT NOT NULL,
    invert INTEGER NOT NULL,
    tags TEXT NOT NULL,
    provisioning_status TEXT NOT NULL,
    operating_status TEXT NOT NULL,
    admin_state_up INTEGER NOT NULL,
    task_id TEXT,
    creator_task_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX l7_rules_by_project ON l7_rules (project_id, region_id);
CREATE INDEX l7_rules_by_load_balancer ON l7_rules (load_balancer_id);
CREATE INDEX l7_rules_by_policy ON l7_rules (l7_policy_id);
