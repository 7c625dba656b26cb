"""Load balancers, and their parts: listeners, pools, members, health monitors, L7 policies and L7 rules."""
