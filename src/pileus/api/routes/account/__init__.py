"""Of this room, tenants: what they have, may and pay, and what is told to them."""
