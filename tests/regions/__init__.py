"""Tests of regions with different drivers."""
