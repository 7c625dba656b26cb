"""Networks, addresses, routers, security groups and DDoS protection."""
