"""Connections that the server opens for tenants: notifications and downloads, checked by the SSRF guard."""
