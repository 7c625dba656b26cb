"""Routes of the network family: networks, addresses, routers, security groups and DDoS profiles."""
