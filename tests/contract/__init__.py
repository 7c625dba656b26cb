"""Tests against the published contract and its official clients."""
