"""Shapes of instances, bare metal servers, flavors, images, SSH keys and placement groups in the public API."""
