"""Tests of the domain: pure and fast."""
