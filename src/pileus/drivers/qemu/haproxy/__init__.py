"""Load balancers of the QEMU driver: each is a process of HAProxy in a network namespace of its own."""
