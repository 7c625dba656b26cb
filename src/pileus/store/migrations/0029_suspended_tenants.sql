-- Tenants that operators have suspended: their keys and logins are refused.
ALTER TABLE clients ADD COLUMN suspended_at BIGINT;
