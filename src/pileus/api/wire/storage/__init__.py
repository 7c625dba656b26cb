"""Wire types of the storage family."""
