-- The simulated cloud: its machines, volumes, snapshots, images and networks, and the time that its changes take.
CREATE TABLE simulated_machines (
    id TEXT PRIMARY KEY, status TEXT NOT NULL, vm_state TEXT, spec TEXT NOT NULL, restarted_for TEXT,
    change_number BIGINT
);
CREATE INDEX simulated_machines_changed ON simulated_machines (change_number) WHERE change_number IS NOT NULL;
CREATE TABLE simulated_volumes (
    id TEXT PRIMARY KEY, size BIGINT NOT NULL, type_name TEXT NOT NULL, machine_id TEXT, reverted_for TEXT
);
CREATE INDEX simulated_volumes_of_machine ON simulated_volumes (machine_id);
CREATE TABLE simulated_snapshots (id TEXT PRIMARY KEY, volume_id TEXT NOT NULL, size BIGINT NOT NULL);
CREATE TABLE simulated_images (
    id TEXT PRIMARY KEY, size BIGINT NOT NULL, virtual_size BIGINT NOT NULL, disk_format TEXT NOT NULL, checksum TEXT
);
CREATE TABLE simulated_network_parts (
    kind TEXT NOT NULL, id TEXT NOT NULL, parent_id TEXT, spec TEXT NOT NULL, PRIMARY KEY (kind, id)
);
CREATE INDEX simulated_network_parts_of_parent ON simulated_network_parts (parent_id);
CREATE TABLE simulated_protections (
    region_id BIGINT NOT NULL, ip_address TEXT NOT NULL, active INTEGER NOT NULL, PRIMARY KEY (region_id, ip_address)
);
CREATE TABLE simulated_settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
