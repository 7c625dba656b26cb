"""Wire types of the network family."""
