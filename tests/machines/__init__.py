"""End-to-end tests of real machines: the server, the official client, and guests that boot."""
