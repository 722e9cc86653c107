"""How the documentation is built: `make docs`. Tutorials run; studies are drawn from archived rows."""

import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS)]

from _site import docstrings, references  # noqa: E402
from _site.api_pages import write_api_pages  # noqa: E402
from _site.archived import insert_archived  # noqa: E402
from _site.device_pages import write_device_pages  # noqa: E402
from _site.study_pages import write_study_pages  # noqa: E402

project = "mortal"
author = "The mortal-computation toolkit's authors"
copyright = author
version = release = "0.1.0"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_site", "archive", "tutorials", "**/README.md", "**.ipynb", "learn/*.py"]

html_theme = "furo"
html_title = "Mortal computation"
html_show_sourcelink = False
html_copy_source = False
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True}

default_role = "py:obj"
add_module_names = False
python_maximum_signature_line_length = 88
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
autodoc_inherit_docstrings = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

myst_enable_extensions = ["dollarmath", "attrs_block", "colon_fence"]
myst_heading_anchors = 3
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "tutorials",
    "gallery_dirs": "learn",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "plot_gallery": True,
    "image_scrapers": ("matplotlib",),
    "min_reported_time": 1,
    "show_memory": False,
    "remove_config_comments": True,
    "write_computation_times": False,
    "show_signature": False,
    "download_all_examples": False,
}


def _write_pages(app: Any) -> None:
    write_api_pages(DOCS / "api")
    write_study_pages(DOCS / "studies", DOCS.parent)
    write_device_pages(DOCS / "devices", DOCS.parent)


def setup(app: Any) -> None:
    app.connect("builder-inited", _write_pages, priority=100)
    app.connect("autodoc-process-docstring", docstrings.process_docstring, priority=100)
    app.connect("autodoc-process-signature", docstrings.process_signature)
    app.connect("source-read", insert_archived, priority=400)
    app.connect("source-read", references.rewrite_links)
    app.connect("missing-reference", references.resolve_name, priority=100)
