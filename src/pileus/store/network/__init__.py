"""Statements on networks, subnets, ports, routers, addresses and security groups."""
