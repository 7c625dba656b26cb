"""The configuration of Sphinx."""

from pileus import __version__

project = "Pileus"
author = "The Pileus authors"
version = release = __version__
extensions = ["myst_parser"]
html_theme = "furo"
html_title = f"Pileus {__version__}"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
myst_heading_anchors = 4
# A page of the decisions lists its files itself.
suppress_warnings = ["toc.not_included"]
nitpicky = True
pygments_style = "friendly"
pygments_dark_style = "monokai"
