"""What Python imports when it starts in the tests' environment: engines fork workers (`forkserver`)."""

import os
import sys

if "serve" in sys.orig_argv and "AMYGDALA_TEST_FORKSERVER" in os.environ:
    from tests.engine.service import forkserver

    forkserver.install()
