"""Durable operations: the engine and one module a verb."""
