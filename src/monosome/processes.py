"""Worker processes: several that compute on one thread each, or one that can be given up."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import TypeVar

from monosome.errors import MonosomeError

T = TypeVar("T")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def num_processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def worker_pool(num_workers: int, module: str) -> Iterator[ProcessPoolExecutor]:
    """Processes that have imported `module`; on one thread each, as several would take turns on the same processors."""
    with _single_threaded(), ProcessPoolExecutor(num_workers, _context(module), _end_with_parent) as pool:
        yield pool


class Worker:
    """A process of its own that answers one question after the other, and can be given up at any moment.

    Used as a context; functions and arguments must be such that can be pickled.
    """

    def __enter__(self) -> "Worker":
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def ask(self, seconds: float, function: Callable[..., T], *arguments: object) -> T:
        """What the function returns there.

        Raises the MonosomeError that it raises, TimeoutError when it takes longer, ChildProcessError when the process
        ends, as a system that is short of memory makes it. After the last two a new process takes the next question.
        """
        try:
            self._pipe.send((function, arguments))
            if not self._pipe.poll(seconds):
                self._restart()
                raise TimeoutError(f"no answer within {seconds:.0f} s")
            answer: T | MonosomeError = self._pipe.recv()
        except (EOFError, ConnectionError) as error:
            self._process.join()
            code = self._process.exitcode
            self._restart()
            raise ChildProcessError(f"its process ended with code {code}") from error
        if isinstance(answer, MonosomeError):
            raise answer
        return answer

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def _stop(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _restart(self) -> None:
        self._stop()
        self._start()


def _serve(pipe: Connection) -> None:
    """Answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that asks
    _end_with_parent()
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        try:
            answer = function(*arguments)
        except MonosomeError as error:
            answer = error
        pipe.send(answer)


def _end_with_parent() -> None:
    """Let this worker end when the process that it works for is killed: otherwise it would wait for ever."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _context(module: str) -> BaseContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module])
    return context


@contextmanager
def _single_threaded() -> Iterator[None]:
    """What is started in here takes these from the environment; it is put back after."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
