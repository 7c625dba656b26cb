"""Routes of the load balancer family: load balancers, listeners, pools, members, health monitors and L7 policies."""
