"""Real machines: QEMU, on the host that the server runs on."""
