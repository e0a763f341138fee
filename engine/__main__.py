"""`python -m engine` and `amygdala-engine`."""

import os
import sys

from engine.encoding import insist_on_utf8


def main() -> int:
    """Run the command line; heavy imports wait until a command needs them."""
    insist_on_utf8()
    # Read when torch is imported, here and in workers: threads that wait by spinning make a shared machine several
    # times slower (a forward pass 3 to 5 times, beside one busy process on two cores) and an idle one no faster.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        from engine.cli import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:  # while modules were being imported
        return 130


if __name__ == "__main__":
    sys.exit(main())
