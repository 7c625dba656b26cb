"""Tests of notifications, downloads and the SSRF guard."""
