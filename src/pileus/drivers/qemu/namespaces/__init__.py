"""Programs of the QEMU driver that run in a network namespace each, with TAP devices of the fabric."""
