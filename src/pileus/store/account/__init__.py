"""Statements on tenants: keys, projects, quotas, usage and the audit log."""
