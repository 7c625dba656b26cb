"""Tests of the QEMU driver and of its fabric."""
