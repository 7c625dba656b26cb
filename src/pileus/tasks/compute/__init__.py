"""Of this room, machines, and what they are made of."""
