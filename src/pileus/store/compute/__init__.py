"""Statements on instances, images, SSH keys, placement groups and capacity."""
