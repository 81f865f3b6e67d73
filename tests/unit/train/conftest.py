"""The engine's tests train the toy task of the laws."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "laws"))
