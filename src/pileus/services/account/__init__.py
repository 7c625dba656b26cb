"""Services of the account family."""
