"""SQL: one module a noun, records in and out; no rules."""
