"""Operations on volumes and snapshots, and the scheduler of snapshots."""
