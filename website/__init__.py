"""The documentation site: the pages of docs/ and of the top folder, with generated references, built by Sphinx."""
