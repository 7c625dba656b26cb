"""HTTP: authentication, errors, published shapes and routes."""
