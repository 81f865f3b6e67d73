import os

from monosome.processes import THREADS, num_processors, worker_pool


def test_workers_compute_on_one_thread_and_the_environment_is_put_back():
    before = dict(os.environ)
    with worker_pool(1, "json") as pool:
        assert [pool.submit(os.getenv, name).result() for name in THREADS] == ["1", "1", "1"]
    assert dict(os.environ) == before


def test_there_is_a_processor():
    assert 1 <= num_processors() <= (os.cpu_count() or 1)
