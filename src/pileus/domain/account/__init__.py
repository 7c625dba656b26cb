"""Tenants: projects, access, quotas, prices, usage, and the audit log."""
