"""The documentation as a site: `make docs` builds build/docs from the folder above this one.

Sphinx and its Markdown reader are strict with -W: a link or an anchor that leads nowhere, and a
page that is in no menu, end the build. The theme brings all that its pages load.
"""

from pygments.lexers.special import TextLexer
from sphinx.highlighting import lexers

project = html_title = "Tinytown"
extensions = ["myst_parser"]
# The menu is a file of its own, so that the front page is plain Markdown.
root_doc = "site/menu"
myst_heading_anchors = 6  # as GitHub makes them, for headings of every level
html_theme = "furo"
html_show_sourcelink = html_copy_source = html_show_sphinx = html_show_copyright = False
# The diagrams stay text: what draws them would be loaded from elsewhere.
lexers["mermaid"] = TextLexer()
