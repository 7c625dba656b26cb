"""Wire types of the account family."""
