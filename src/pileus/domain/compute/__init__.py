"""Instances, images, flavors, SSH keys and placement groups."""
