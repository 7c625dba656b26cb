"""Tests with the traffic of real clients."""
