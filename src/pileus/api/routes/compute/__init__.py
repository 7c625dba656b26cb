"""Routes of instances, bare metal servers, flavors, images, SSH keys and placement groups."""
