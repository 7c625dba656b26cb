"""Services of the storage family."""
