"""Of this room, volumes, and what is kept of them."""
