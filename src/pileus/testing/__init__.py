"""Tools for tests of other packages; the server never imports them. Needs the extra `pileus[pytest]`."""
