"""Services of the network family."""
