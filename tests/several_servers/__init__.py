"""Tests of several servers over one PostgreSQL database."""
