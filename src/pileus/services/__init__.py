"""The changes of one request, each in one transaction: look up, decide, save, start a task, write the audit log."""
