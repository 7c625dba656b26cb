"""Real machines from end to end: the real server, the official client, and a system that really boots."""
