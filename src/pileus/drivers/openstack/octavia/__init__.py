"""Load balancers of OpenStack's service Octavia."""
