-- Finds the volumes that are created from a snapshot, which stays meanwhile.
CREATE INDEX volumes_by_snapshot ON volumes (snapshot_id) WHERE snapshot_id IS NOT NULL;
