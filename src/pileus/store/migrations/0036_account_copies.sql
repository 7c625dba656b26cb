-- What other cells copy: a number that each change of a tenant's rows increases, in the database of cell 0, and in the
-- database of another cell the number that its copy has.
CREATE TABLE account_revisions (client_id BIGINT PRIMARY KEY, revision BIGINT NOT NULL);

CREATE TABLE account_copies (client_id BIGINT PRIMARY KEY, revision BIGINT NOT NULL);
