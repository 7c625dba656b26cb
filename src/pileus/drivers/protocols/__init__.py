"""The Protocols of drivers: each is one capability, found by isinstance."""
