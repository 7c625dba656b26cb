"""Put the pages of the site into one folder, as Sphinx reads them."""

import os
import re
import shutil
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from pileus.cli.main import pileus
from website.commands import make_command_pages
from website.operations import make_operation_pages

ROOT = Path(__file__).resolve().parents[1]
HOME = Path(__file__).parent
LINK = re.compile(r"(?<=\]\()(?!\w+:)([^)#\s]+)")


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A section of the navigation: paths of pages in the repository, and names of generated pages."""

    title: str
    pages: list[str]
    generated: list[str] = []


def read_navigation() -> list[Section]:
    """Return the sections of the navigation in their order."""
    text = (HOME / "navigation.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text)["section"], list[Section])


def stage_pages(folder: Path) -> None:
    """Write all pages into an empty folder. Those of docs/ move to its top, beside those of the repository's top."""
    sections = read_navigation()
    decisions = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    sources = [ROOT / page for section in sections for page in section.pages]
    pages = {source: folder / path_in_site(source) for source in [*sources, *decisions]}
    pages[ROOT / "README.md"] = folder / "index.md"
    for source in [*sources, *decisions]:
        write_page(pages[source], rewrite_links(source, pages, folder))
    operations = msgspec.json.decode((ROOT / "docs" / "openapi.json").read_bytes())
    for name, text in {**make_operation_pages(operations), **make_command_pages(pileus)}.items():
        write_page(folder / f"{name}.md", text)
    contents = [format_section(section) for section in sections]
    write_page(folder / "index.md", (HOME / "index.md").read_text("utf-8") + "".join(contents))
    append_contents(folder / "decisions" / "README.md", [path.stem for path in decisions])


def path_in_site(source: Path) -> Path:
    """Return the path in the site of a file of the repository."""
    path = source.relative_to(ROOT)
    return path.relative_to("docs") if path.parts[0] == "docs" else path


def rewrite_links(source: Path, pages: Mapping[Path, Path], folder: Path) -> str:
    """Return the text of a page with links that fit the site. Other files that it links to are copied."""

    def rewrite(match: re.Match[str]) -> str:
        target = (source.parent / match[0]).resolve()
        if target not in pages:
            # A picture, or a file that is offered for download.
            copy = folder / path_in_site(target)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(target, copy)
        return os.path.relpath(pages.get(target, folder / path_in_site(target)), pages[source].parent)

    return LINK.sub(rewrite, source.read_text("utf-8"))


def write_page(page: Path, text: str) -> None:
    """Write a page into a folder that may not exist yet."""
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, "utf-8")


def format_section(section: Section) -> str:
    """Return the directive of Sphinx that lists the pages of a section in the navigation."""
    names = [path_in_site((ROOT / page).with_suffix("")) for page in section.pages]
    return format_contents([*section.generated, *map(str, names)], f":caption: {section.title}\n")


def format_contents(names: Iterable[str], options: str = "") -> str:
    """Return a directive of Sphinx that makes pages part of the navigation."""
    lines = "\n".join(names)
    return f"\n```{{toctree}}\n:hidden:\n{options}\n{lines}\n```\n"


def append_contents(page: Path, names: Iterable[str]) -> None:
    """Make further pages part of the navigation, below a page."""
    with page.open("a", encoding="utf-8") as file:
        file.write(format_contents(names))
