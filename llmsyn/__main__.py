"""``python -m llmsyn`` is the command ``llmsyn``."""

import sys

from llmsyn.cli.main import main

sys.exit(main())
