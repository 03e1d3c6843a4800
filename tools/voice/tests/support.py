"""Paths of the tests: the kit's folder is importable, the golden data is found."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
KIT = os.path.dirname(HERE)
ROOT = os.path.dirname(os.path.dirname(KIT))
GOLDEN = os.environ.get("SHOAL_GOLDEN_DIR", os.path.join(ROOT, "tests", "golden"))
if KIT not in sys.path:
    sys.path.insert(0, KIT)
