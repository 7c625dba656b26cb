"""Failures of OpenStack, of Pileus and of what is between them, while machines are created."""
