"""Routes of the storage family: volumes, snapshots, lifecycle policies and schedules."""
