"""References by short names: `Port` in any docstring leads to the one page that has a Port."""

import re
from pathlib import Path
from typing import Any, Final

from sphinx.util.nodes import make_refnode

from .api_pages import public_names

PAGES: Final = {  # files of the repository that are pages under another name
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
_LINK: Final = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")


def resolve_name(app: Any, env: Any, node: Any, content: Any) -> Any:
    """The public name whose last words are those of the target, wherever it was defined."""
    if node.get("refdomain") != "py":
        return None
    words = node["reftarget"].removesuffix("()").split(".")
    homes = getattr(app, "public_homes", None)
    if homes is None:
        homes = app.public_homes = {name.short: name.full for name in public_names()}
    objects = env.get_domain("py").objects
    for start in range(len(words)):
        head, *rest = words[start:]
        full = ".".join([homes.get(head, ""), *rest])
        if full in objects:
            entry = objects[full]
            return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, [content], full)
    return None


def rewrite_links(app: Any, docname: str, source: list[str]) -> None:
    """Lead links of pages that are read on a forge as well to the pages that are made from their targets."""
    docs = Path(app.srcdir)
    folder = (docs / docname).parent

    def lead(match: re.Match[str]) -> str:
        target, anchor = match[1], match[2] or ""
        path = (folder / target).resolve()
        up = "../" * docname.count("/")
        if path.parent == docs.parent and path.name in PAGES:
            return f"]({up}{PAGES[path.name]}{anchor})"
        if path.parent == docs / "tutorials" and path.suffix == ".py":
            return f"]({up}learn/{path.stem}.rst)"
        if path in (docs / "archive", docs.parent / "studies"):
            return f"]({up}studies/index.md)"
        if path.parent.parent == docs / "archive" and (docs / f"studies/{path.parent.name}.md").exists():
            return f"]({up}studies/{path.parent.name}.md#archive-{path.name})"
        return match[0]

    source[0] = _LINK.sub(lead, source[0])
