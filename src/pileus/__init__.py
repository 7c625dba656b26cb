"""Pileus: a compute-cloud control plane that speaks the Gcore Cloud REST API."""

__version__ = "0.1.0"
