"""Routes of the account family: projects, quotas, regions, reports, subscriptions and the audit log."""
