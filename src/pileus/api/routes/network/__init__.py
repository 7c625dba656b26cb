"""Of this room, networks, addresses, and what guards them."""
