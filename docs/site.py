"""Build the site of the documentation into out/site: `make site`.

    python docs/site.py

Pages keep their places in the checkout; what they link to is copied beside them.  Warnings are
errors: a link that leads nowhere, or a docstring that is not there, fails the build.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "out" / "site-source"
PAGES = ("*.md", "docs/**/*.md", "benchmarks/**/*.md", "examples/*.md", "stats/**/*.md",
         "knowledge/*.md")  # fmt: skip
_LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")
_OUTSIDE = ("http://", "https://", "mailto:")


def stage() -> list[Path]:
    """Copy the pages and every file that they link to; the pages, relative to the checkout."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    pages = sorted({page for pattern in PAGES for page in ROOT.glob(pattern)})
    linked = set(pages)
    for page in pages:
        for link in _LINK.findall(page.read_text("utf-8")):
            target = (page.parent / link).resolve()
            if not link.startswith(_OUTSIDE) and target.is_file() and target.is_relative_to(ROOT):
                linked.add(target)
    for file in sorted(linked):
        # mkdocs' start page is called index.md; links to README.md are followed there.
        copy = SOURCE / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    start = (ROOT / "README.md").read_text("utf-8")
    (SOURCE / "README.md").unlink()
    (SOURCE / "index.md").write_text(start, "utf-8")
    for page in SOURCE.rglob("*.md"):
        depth = len(page.relative_to(SOURCE).parts) - 1
        up = "../" * depth
        text = page.read_text("utf-8").replace(f"]({up}README.md", f"]({up}index.md")
        page.write_text(text, "utf-8")
    return [page.relative_to(ROOT) for page in pages]


if __name__ == "__main__":
    print(f"{len(stage())} pages")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean", "--quiet"]
    raise SystemExit(subprocess.run(build, cwd=ROOT, check=False).returncode)
