"""The QEMU driver: what only it does, and the fabric that wires its machines."""
