"""Work that several processes share: each item is done once, and what a process left undone is taken up again.

A claim is a lock on a file. The system lets go of it when its process ends, however it ends: so there is no heartbeat
to wait for, and no claim of a dead process to tell from a slow one's. It holds between machines on a shared folder too,
where the file system passes locks on (NFS 4 does).
"""

import fcntl
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def claim(path: Path, *, wait: bool) -> Iterator[bool]:
    """Whether the claim is this process's until the block ends; with `wait` it always is, in the end.

    The file says who had it last.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield True


def share(items: Sequence[str], folder: Path, is_done: Callable[[str], bool], work: Callable[[str], None]) -> None:
    """Work until every item is done, beside all processes that share the same items and claim them in `folder`.

    An item that is another's is passed over; where only such are left, this one waits for the first of them to be done,
    or to be let go of. Items are names of files.
    """
    while pending := [item for item in items if not is_done(item)]:
        claimed = False
        for item in pending:
            with claim(folder / item, wait=False) as mine:
                claimed |= mine
                if mine and not is_done(item):
                    work(item)
        if not claimed:
            with claim(folder / pending[0], wait=True):
                pass
