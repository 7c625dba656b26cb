-- The number of the database's cell; a database without a row, from before there were cells, is that of cell 0.
CREATE TABLE own_cell (id INTEGER PRIMARY KEY, number BIGINT NOT NULL);
