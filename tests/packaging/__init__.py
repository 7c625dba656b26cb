"""Tests of what users install: the wheel, the sdist, the container, the action, the examples."""
