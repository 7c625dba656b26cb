-- Tenants that operators have deleted: what is kept of them refers to them.
ALTER TABLE clients ADD COLUMN deleted_at BIGINT;
