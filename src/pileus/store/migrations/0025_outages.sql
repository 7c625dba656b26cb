-- The last outages of instances and members of pools, which health monitors notice.
ALTER TABLE instances ADD COLUMN outage_began_at BIGINT;
ALTER TABLE instances ADD COLUMN outage_ended_at BIGINT;
ALTER TABLE members ADD COLUMN outage_began_at BIGINT;
ALTER TABLE members ADD COLUMN outage_ended_at BIGINT;
