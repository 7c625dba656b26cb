"""Services of the compute family."""
