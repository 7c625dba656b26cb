"""Pileus in front of a real OpenStack, which `scripts/openstack/run-tests` brings up."""
