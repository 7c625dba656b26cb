"""Protocols of drivers.

`compute.Compute` is mandatory. Every other Protocol is an optional ability, which callers find by `isinstance`.
Methods named `ensure_…` describe an end state, so that a repeated call does no harm.
"""
