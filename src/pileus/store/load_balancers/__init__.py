"""Statements on load balancers and their parts."""
