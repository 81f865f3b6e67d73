"""Run `monosome` as a user does: a real process in an empty folder."""

import os
import subprocess
import sys
from pathlib import Path


def monosome(*words: str | Path, cwd: Path, ok: bool = True, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """The finished process; with `ok` a non-zero exit fails the test and shows what was printed."""
    done = subprocess.run(
        [sys.executable, "-m", "monosome", *map(str, words)],
        cwd=cwd,
        env=environment(cwd),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert not ok or done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done


def start(*words: str | Path, cwd: Path) -> subprocess.Popen[str]:
    """The process while it runs."""
    return subprocess.Popen(
        [sys.executable, "-m", "monosome", *map(str, words)],
        cwd=cwd,
        env=environment(cwd),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def environment(cwd: Path) -> dict[str, str]:
    """This process's environment with a cache of its own, and no network for Hub look-ups."""
    return {**os.environ, "MONOSOME_CACHE": str(cwd / "cache"), "HF_HUB_OFFLINE": "1", "COLUMNS": "160"}


def refused(*words: str | Path, cwd: Path) -> str:
    """The one message of a command that must fail with exit code 2 and print nothing else."""
    done = monosome(*words, cwd=cwd, ok=False)
    assert done.returncode == 2, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.stderr.count("error:") == 1, done.stderr
    return done.stderr
