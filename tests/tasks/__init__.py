"""Tests of durable operations."""
