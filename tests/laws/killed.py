"""Train a task and die by SIGKILL in the middle: `python killed.py TASK FOLDER CALL key=value…`."""

import signal
import sys
from pathlib import Path

from conftest import FACTORIES
from runs import stop_at, train

if __name__ == "__main__":
    name, folder, call, *assignments = sys.argv[1:]
    train(stop_at(FACTORIES[name](*assignments), int(call), signal.SIGKILL), Path(folder))
