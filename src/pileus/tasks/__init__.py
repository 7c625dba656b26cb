"""Durable operations: the engine, a module for the operations on each noun, and background workers."""
