"""The site's menu has every page, once; `make docs` finds all else that is wrong with the site."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT

DOCS = ROOT / "docs"


def test_every_page_is_in_the_menu_once() -> None:
    menu = (DOCS / "site" / "menu.rst").read_text(encoding="utf-8")
    entries = re.findall(r"^   \.\./(\S+)$", menu, flags=re.MULTILINE)
    listed = [file.relative_to(DOCS) for entry in entries for file in DOCS.glob(f"{entry}.md")]
    assert sorted(listed) == sorted(file.relative_to(DOCS) for file in DOCS.rglob("*.md"))


def test_the_front_page_leads_to_every_page_but_the_commands() -> None:
    front = (DOCS / "index.md").read_text(encoding="utf-8")
    others = {str(file.relative_to(DOCS)) for file in DOCS.rglob("*.md")}
    others -= {"index.md", "plans.md", *(name for name in others if name.startswith("commands/"))}
    assert others <= set(re.findall(r"\]\(([^)#]+)\)", front))
