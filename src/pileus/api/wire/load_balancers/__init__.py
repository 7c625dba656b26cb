"""Wire types of the load balancer family."""
