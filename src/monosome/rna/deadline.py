"""Five structures of each of many targets before a deadline: a floor under all, then the network while time lasts."""

import hashlib
import io
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from zipfile import BadZipFile

import numpy as np

from monosome import __version__
from monosome.atomic import replacing
from monosome.errors import DataError, HardwareError
from monosome.processes import Worker
from monosome.rna.kaggle import Target
from monosome.rna.kaggle_folds import Network, Places, fingerprint, folded, helices, laid_out
from monosome.rna.pairing import LONGEST_WHOLE
from monosome.rna.submission import NUM_STRUCTURES
from monosome.rna.superposition import move, superpose
from monosome.rna.windows import WINDOW

T = TypeVar("T")
CUBIC = 500
"""Length (nt) at which mending a candidate, which grows with its length, takes as long as its products of pairs, which
grow with the cube. Five candidates of the shipped network took 9.1, 19.3 and 65.9 s for 120, 240 and 480 nt on one
core: L (1 + (L / 500)²) within 6 %."""
FLOOR_SHARE = 0.25
"""Of the time, what laying out may take at most."""
ALIKE = 1.0
"""RMSD of C1' (Å) below which a second structure of a target is a wasted one of five."""
CAUTION, LATENESS, START = 1.25, 2.0, 5.0
"""Targets are planned to take a quarter longer than the last one; one is given up at twice that, and the seconds that a
new process takes to start."""
MARGIN_SHARE, MAX_MARGIN = 0.05, 60.0
"""Of the time, what is kept for ending a process and for writing, and its most in seconds."""


@dataclass(frozen=True)
class Order:
    """What to fold with, in how many seconds, and the working folder."""

    folder: Path
    seconds: float
    network: Network
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Made:
    """Five structures of a target: `num_folded` by the network, `num_laid_out` from base pairs, the rest helices.

    Structures that are alike count once, so that others take their place. `why` says what kept the network from making
    more; `seconds` is how long folding took, in this run or an earlier.
    """

    target: Target
    places: Places
    num_folded: int
    num_laid_out: int
    why: str
    seconds: float

    @property
    def num_helices(self) -> int:
        """Those that were not worked on at all."""
        return NUM_STRUCTURES - self.num_folded - self.num_laid_out

    @property
    def what(self) -> str:
        """How the five came about, in words."""
        counts = {"folded": self.num_folded, "laid out": self.num_laid_out, "helix": self.num_helices}
        made = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
        return f"{made}: {self.why}" if self.why else made


class TimePlan:
    """How many candidates there is time for, from what the last target took and how the work grows with length."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds - min(MARGIN_SHARE * seconds, MAX_MARGIN)
        self.rate: float | None = None

    @property
    def left(self) -> float:
        """Seconds left, 0 at least."""
        return max(0.0, self.end - time.monotonic())

    def note(self, work: float, num: int, seconds: float) -> None:
        """That so many candidates of a target took so long."""
        self.rate = seconds / (work * num)

    def note_failure(self, work: float, num: int, seconds: float) -> None:
        """That they did not come in so long: they take longer, unless something else was wrong."""
        self.rate = max(self.rate or 0.0, seconds / (work * num))

    def decide(self, works: Sequence[float], most: int) -> tuple[int, float]:
        """How many candidates to make of the first of these targets, and how many seconds they may take.

        Works stand in ascending order. As many targets as there is time for get one candidate each; what is left over
        goes to the first. It may take twice as long as planned, since what is given up was for nothing.
        """
        if self.rate is None:
            return most, self.left
        cost = CAUTION * self.rate
        first, free = works[0], self.left / cost - works[0]
        if free < 0:
            return 0, 0.0
        for work in works[1:]:
            if work > free:
                break
            free -= work
        num = min(most, 1 + int(free / first))
        return num, min(self.left, LATENESS * cost * first * num + START)


def work_of(target: Target) -> float:
    """The work of one candidate, in nucleotides of a short target; copies of a strand are folded once."""
    lengths = [len(letters) for letters in {strand.letters for strand in target.strands}]
    return sum(_work(length) for length in lengths)


def _work(length: int) -> float:
    """In windows every residue is folded twice, see `windows.cut`."""
    whole = length <= LONGEST_WHOLE
    return length * (1 + (length / CUBIC) ** 2) if whole else 2 * length * (1 + (WINDOW / CUBIC) ** 2)


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def fold_targets(targets: Sequence[Target], order: Order, tell: Callable[[str], None]) -> list[Made]:
    """Five structures of each target, in the order of the targets, before the time is up.

    What the working folder has from an earlier run is taken from there. Shorter targets come first. `tell` hears of
    every target. Raises CheckpointError for a checkpoint, DataError for a library of templates that cannot be used.
    """
    plan = TimePlan(order.seconds)
    ascending = sorted(targets, key=work_of)
    works = [work_of(target) for target in ascending]
    found: dict[str, Made] = {}
    with Worker() as worker:
        folding = _Folding(order, plan, worker)
        tell(f"laying out {len(targets)} targets; {clock(plan.left)} left")
        end = plan.left * (1 - FLOOR_SHARE)
        floors = [folding.lay_out(target, plan.left - end) for target in ascending]
        for number, (target, floor) in enumerate(zip(ascending, floors, strict=True), start=1):
            made = found[target.id] = folding.make(target, floor, works[number - 1 :])
            to_go = min(plan.left, (plan.rate or 0.0) * NUM_STRUCTURES * sum(works[number:]))
            times = f"about {clock(to_go)} to go, {clock(plan.left)} left"
            tell(f"{number}/{len(targets)} {target.id}, {len(target.sites):,} nt: {made.what}; {times}")
    return [found[target.id] for target in targets]


@dataclass(frozen=True)
class _Failure:
    why: str
    is_memory: bool = False


class _Folding:
    """The targets one by one, with what was learned from those before."""

    def __init__(self, order: Order, plan: TimePlan, worker: Worker) -> None:
        self.order, self.plan, self.worker = order, plan, worker
        self.too_much: float = np.inf
        """Work of the target that memory did not hold."""
        self.network: str | _Failure
        try:
            self.network = worker.ask(plan.left, fingerprint, order.network)
        except (TimeoutError, ChildProcessError) as error:
            self.network = _Failure(f"the network could not be loaded: {error}")

    def lay_out(self, target: Target, seconds: float) -> Places | None:
        """The floor of a target, if there is time."""
        file = self._file(target, "laid-out", "")
        kept = _read(file)
        if kept is None and seconds > 0:
            made = self._ask(seconds, laid_out, target, self.order.seed)
            kept = None if isinstance(made, _Failure) else _write(file, made, 0.0)
        return kept[0] if kept else None

    def make(self, target: Target, floor: Places | None, works: Sequence[float]) -> Made:
        """As many candidates of the network as there is time and memory for; the floor and helices fill up.

        `works` are those of this target and of all that come after.
        """
        # The network folds strands one by one: of how they pair, only a layout knows.
        most = NUM_STRUCTURES - (len(target.strands) > 1 and floor is not None)
        found = self._folded(target, works, most)
        if isinstance(found, _Failure):
            places, seconds, why = np.zeros((0, len(target.sites), 3), dtype=np.float32), 0.0, found.why
        else:
            (places, seconds), why = found, ""
            why = "no time for more" if len(places) < most else ""
        if floor is None and len(places) < most:
            floor = self.lay_out(target, self.plan.left)
        sources = [
            places,
            places[:0] if floor is None else floor,
            np.repeat(helices(target)[None], NUM_STRUCTURES, axis=0),
        ]
        together = np.concatenate(sources)
        chosen = _chosen(together)
        ends = np.cumsum([len(source) for source in sources])
        num_folded, num_laid_out, _ = np.bincount(np.searchsorted(ends, chosen, side="right"), minlength=3).tolist()
        return Made(target, together[chosen], num_folded, num_laid_out, why, seconds)

    def _folded(self, target: Target, works: Sequence[float], most: int) -> tuple[Places, float] | _Failure:
        """Candidates with the seconds they took; an earlier run's tell how fast this machine is, too."""
        if isinstance(self.network, _Failure):
            return self.network
        file, work = self._file(target, "folded", self.network), works[0]
        kept = _read(file)
        if kept is not None:
            self.plan.note(work, len(kept[0]), kept[1])
            return kept
        if work >= self.too_much:
            return _Failure("a shorter one did not fit into memory")
        num, limit = self.plan.decide(works, most)
        if not num:
            return _Failure("no time left")
        started = time.monotonic()
        made = self._ask(limit, folded, target, self.order.network, num, self.order.seed)
        seconds = time.monotonic() - started
        if isinstance(made, _Failure):
            self.plan.note_failure(work, num, seconds)
            self.too_much = work if made.is_memory else self.too_much
            return made
        self.plan.note(work, num, seconds)
        return _write(file, made, seconds)

    def _ask(self, seconds: float, function: Callable[..., T], *arguments: object) -> "T | _Failure":
        try:
            return self.worker.ask(seconds, function, *arguments)
        except TimeoutError:
            return _Failure(f"given up after {clock(seconds)}")
        except ChildProcessError as error:
            return _Failure(str(error))
        except (HardwareError, DataError) as error:
            return _Failure(error.message, is_memory=isinstance(error, HardwareError))

    def _file(self, target: Target, kind: str, network: str) -> Path:
        told = (target.strands, target.cutoff, network, self.order.seed, __version__)
        digest = hashlib.sha256(repr(told).encode()).hexdigest()[:16]
        return self.order.folder / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', target.id)}.{kind}.{digest}.npz"


def _chosen(places: Places) -> list[int]:
    """Five structures that differ by ALIKE or more, the first first; where there are fewer, the next ones too."""
    differing: list[int] = []
    for number, one in enumerate(places):
        motions = [(superpose(places[other], one), places[other]) for other in differing]
        if all(np.square(move(other, *motion) - one).sum(axis=-1).mean() >= ALIKE**2 for motion, other in motions):
            differing.append(number)
    alike = [number for number in range(len(places)) if number not in differing]
    return sorted((differing + alike)[:NUM_STRUCTURES])


def _read(file: Path) -> tuple[Places, float] | None:
    """What an earlier run left, unless it is damaged."""
    try:
        values = np.load(io.BytesIO(file.read_bytes()), allow_pickle=False)
        return values["places"], float(values["seconds"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def _write(file: Path, places: Places, seconds: float) -> tuple[Places, float]:
    with replacing(file) as temporary, temporary.open("wb") as opened:
        np.savez(opened, places=places, seconds=np.array(seconds))
    return places, seconds
