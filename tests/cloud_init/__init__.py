"""cloud-init's own code, from Debian's package, to read what guests are given."""
