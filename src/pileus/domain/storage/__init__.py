"""Volumes, snapshots and lifecycle policies."""
