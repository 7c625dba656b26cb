"""Tests of the OpenStack driver, on a recorded double of OpenStack's HTTP API."""
