-- Controls: what operators set at run time. The row `stamp` is new after each change, so that all processes notice it.
CREATE TABLE controls (name TEXT PRIMARY KEY, value TEXT NOT NULL);
