"""The data card: what a synthetic cohort is, from what, and what it must not be taken for."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from llmsyn.profile.types import Profile


def data_card(profile: Profile, manifest: dict[str, Any]) -> str:
    """Markdown text for ``DATA_CARD.md``."""
    # Markdown, not HTML: texts are escaped by the filters below.
    templates = Environment(  # nosec B701
        loader=PackageLoader("llmsyn.generation", "templates"),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["plain"] = markdown_text
    templates.filters["code"] = markdown_code
    template = templates.get_template("data_card.md.j2")
    return template.render(profile=profile, manifest=manifest, code_sets=profile.code_sets)


def markdown_text(text: object) -> str:
    """One line without Markdown or HTML meaning: profiles are typed by strangers."""
    line = " ".join(str(text).split())
    for sign in "\\`*_[]<>|#":
        line = line.replace(sign, "\\" + sign)
    return line


def markdown_code(text: object) -> str:
    """One line that stands between backticks."""
    return "`" + " ".join(str(text).split()).replace("`", "'") + "`"
