"""Tests of the published shapes."""
