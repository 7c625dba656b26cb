"""Drivers, and the Protocols that they implement."""
