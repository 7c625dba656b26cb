"""Tests of the rules: pure, so thousands a second."""
