"""Backups of a whole installation: one file with all rows of the database, for SQLite and PostgreSQL alike."""
