-- Subscriptions to the audit log, and the lines that are still to be sent.
CREATE TABLE subscriptions (
    id BIGINT PRIMARY KEY,
    client_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    failures BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX subscriptions_by_client ON subscriptions (client_id, kind, id);
CREATE TABLE deliveries (
    subscription_id BIGINT NOT NULL REFERENCES subscriptions (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    action_id TEXT NOT NULL,
    PRIMARY KEY (subscription_id, created_at, action_id)
);
CREATE INDEX deliveries_by_action ON deliveries (action_id);
ALTER TABLE user_actions ADD COLUMN acknowledged INTEGER NOT NULL DEFAULT 0;
