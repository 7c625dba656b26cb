"""What the server sends to the outside: notifications, downloads, and the SSRF guard."""
