"""A stop between two steps: Ctrl-C and SIGTERM are noted, and the loop looks."""

import os
import signal
import threading
from collections.abc import Mapping
from types import FrameType, TracebackType
from typing import Any


class Interrupt:
    """Notes Ctrl-C and SIGTERM while it lasts; after the first, both do again what they did before.

    Python delivers signals to the main thread only: elsewhere it notes nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def __enter__(self) -> "Interrupt":
        self._handle(dict.fromkeys(self._before, self._note))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle(self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self._handle(self._before)
        # os.write, for a signal may come in the middle of a print, which cannot be entered twice.
        os.write(2, b"\nfinishing this step, then saving (once more to stop without saving)\n")

    def _handle(self, handlers: Mapping[signal.Signals, Any]) -> None:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler)
