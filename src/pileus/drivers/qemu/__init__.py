"""The QEMU driver: real machines on the host that the server runs on."""
