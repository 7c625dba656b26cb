-- Users can log in with a password. A session is what a login starts: it holds the digests of its tokens.
ALTER TABLE users ADD COLUMN role TEXT NOT NULL DEFAULT 'Administrators';
ALTER TABLE users ADD COLUMN password_digest TEXT;
CREATE UNIQUE INDEX users_by_email ON users (email);
CREATE INDEX users_by_client ON users (client_id, id);
CREATE TABLE login_sessions (
    id TEXT PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    access_digest TEXT NOT NULL,
    access_expires_at BIGINT NOT NULL,
    previous_access_digest TEXT,
    previous_access_expires_at BIGINT,
    refresh_digest TEXT NOT NULL,
    refresh_expires_at BIGINT NOT NULL,
    previous_refresh_digest TEXT,
    refreshed_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX login_sessions_by_user ON login_sessions (user_id, created_at);
