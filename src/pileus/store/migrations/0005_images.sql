-- What is known of an image's bytes, whether volumes go on needing it, and whether the catalogue offers it no more.
ALTER TABLE images ADD COLUMN checksum TEXT;
ALTER TABLE images ADD COLUMN cow_format INTEGER NOT NULL DEFAULT 0;
ALTER TABLE images ADD COLUMN retired INTEGER NOT NULL DEFAULT 0;
