"""Services for instances, bare metal servers, images, SSH keys and placement groups."""
