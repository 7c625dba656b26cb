"""Tests of the tools that the package gives to other packages' tests."""
