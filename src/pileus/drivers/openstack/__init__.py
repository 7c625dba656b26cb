"""OpenStack: machines, volumes, images and networks of an existing OpenStack cloud."""
