"""Services of the load balancer family."""
