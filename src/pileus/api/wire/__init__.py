"""The published shapes, one module a noun; nothing is decided here."""
