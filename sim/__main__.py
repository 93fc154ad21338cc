"""``python -m sim``: see ``sim.world.cli``. The venue as a process is ``wow-sim``."""

import sys

from sim.world.cli import main

if __name__ == "__main__":
    sys.exit(main())
