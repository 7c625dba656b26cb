"""What one request does in one transaction: look up, decide, save, start a task, write the audit log. No HTTP."""
