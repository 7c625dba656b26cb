"""File shares of the QEMU driver: each is a process of NFS-Ganesha in a network namespace, with a file system."""
