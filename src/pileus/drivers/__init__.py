"""What computes: the Protocols a driver fulfils, and the drivers."""
