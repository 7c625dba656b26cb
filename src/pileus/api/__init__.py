"""HTTP: authentication, errors, wire types and routes."""
