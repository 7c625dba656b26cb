"""Operations on networks, addresses and security groups."""
