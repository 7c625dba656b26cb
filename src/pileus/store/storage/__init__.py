"""Statements on volumes, snapshots, attachments and lifecycle policies."""
