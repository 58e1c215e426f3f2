"""Write docs/figures/demo.svg: what the terminal shows, captured from a real run.

python docs/capture.py
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.text import Text

COMMANDS = (
    "llmsyn generate mimic3-demo -n 10000 --seed 1 -o out/demo",
    "llmsyn check out/demo mimic3-demo",
)
ROWS = 18  # of each command's output; what is cut is said
WIDTH = 96


def main() -> None:
    """Run the commands in a scratch folder and draw what they print."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    environment = {
        **os.environ,
        "FORCE_COLOR": "1",
        "COLUMNS": str(WIDTH),
        "TERM": "xterm-256color",
    }
    with TemporaryDirectory() as folder:
        for command in COMMANDS:
            done = subprocess.run(
                [sys.executable, "-m", *command.split()],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
            lines = [
                line
                for line in (done.stdout + done.stderr).splitlines()
                if Text.from_ansi(line).plain.strip()  # a bar that is done leaves an empty line
            ]
            console.print(Text(f"$ {command}", style="bold"))
            for line in lines[:ROWS]:
                console.print(Text.from_ansi(line))
            if len(lines) > ROWS:
                console.print(Text(f"... {len(lines) - ROWS} more lines ...", style="dim"))
                for line in lines[-2:]:
                    console.print(Text.from_ansi(line))
    svg = console.export_svg(title="llmsyn")
    # The picture works without a network: no web font is fetched.
    svg = re.sub(r"@font-face\s*{.*?}", "", svg, flags=re.DOTALL)
    path = Path(__file__).parent / "figures" / "demo.svg"
    path.write_text(svg.replace("Fira Code", "monospace"), encoding="utf-8")
    print(f"wrote {path.relative_to(Path(__file__).parent.parent)}")


if __name__ == "__main__":
    main()
