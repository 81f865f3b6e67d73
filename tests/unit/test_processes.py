import os
import time

import pytest

from monosome.errors import DataError
from monosome.processes import THREADS, Worker, num_processors, worker_pool
from monosome.rna.nucleotides import parse_sequence


def test_workers_compute_on_one_thread_and_the_environment_is_put_back():
    before = dict(os.environ)
    with worker_pool(1, "json") as pool:
        assert [pool.submit(os.getenv, name).result() for name in THREADS] == ["1", "1", "1"]
    assert dict(os.environ) == before


def test_there_is_a_processor():
    assert 1 <= num_processors() <= (os.cpu_count() or 1)


def test_a_worker_answers_and_keeps_what_it_knows():
    with Worker() as worker:
        first = worker.ask(60.0, os.getpid)
        assert first not in (os.getpid(), None)
        assert worker.ask(60.0, os.getpid) == first
        with pytest.raises(DataError, match="'N' at position 2"):
            worker.ask(60.0, parse_sequence, "GNA")
        assert worker.ask(60.0, os.getpid) == first, "an error that is told does not end it"


def test_a_worker_that_is_late_or_dies_is_replaced():
    with Worker() as worker:
        first = worker.ask(60.0, os.getpid)
        with pytest.raises(TimeoutError):
            worker.ask(0.2, time.sleep, 600)
        second = worker.ask(60.0, os.getpid)
        assert second != first
        with pytest.raises(ChildProcessError, match="code 7"):
            worker.ask(60.0, os._exit, 7)
        assert worker.ask(60.0, os.getpid) != second
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
