"""Sphinx settings; `make docs` builds the site, and a warning fails it."""

import sys
from pathlib import Path

import airflow_provider.engagement

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "airflow-provider-engagement"
author = "the authors of airflow-provider-engagement"
release = airflow_provider.engagement.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "docstrings", "endpoints", "resources"]
exclude_patterns = ["_build", "_ext"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"airflow-provider-engagement {release}"

default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 100
