"""Windows of a long RNA: they hold all of it, and what is right in each is right where they are joined."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monosome.rna.frames import Frames
from monosome.rna.geometry import helix_frames
from monosome.rna.pairing import LONGEST_WHOLE, SPAN
from monosome.rna.superposition import move, superpose
from monosome.rna.windows import WINDOW, Part, cut, join, mean_chances, room


def _turned(seed: int) -> Frames:
    """A random motion."""
    generator = torch.Generator().manual_seed(seed)
    return Frames.identity(()).compose_update(
        torch.randn(6, generator=generator) * torch.tensor([1.0] * 3 + [50.0] * 3)
    )


def _parts(length: int, most: int, *, is_laid_out: bool) -> tuple[list[Part], Frames]:
    """Windows of one right structure, each moved as a whole unless they start from a layout."""
    true = helix_frames(length)
    parts = []
    for number, window in enumerate(cut(length, [], most)):
        frames = true[torch.from_numpy(window.residues)]
        turn = _turned(number)
        moved = frames if is_laid_out else Frames(turn.rotations @ frames.rotations, turn.apply(frames.translations))
        plddt = np.full(len(window.residues), 50.0 + number, dtype=np.float32)
        directions = torch.full((len(window.residues), 7, 2), float(number))
        parts.append(Part(window, moved, directions, plddt, 0.1 * number))
    return parts, true


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(64, 800), st.integers(0, 2**32))
def test_windows_hold_every_residue_and_every_pair_and_no_more_than_they_may(length: int, most: int, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(length)
    pairs = [(int(i), int(j)) for i, j in order[: length // 20 * 2].reshape(-1, 2)]
    windows = cut(length, pairs, most)
    assert max(len(window.residues) for window in windows) <= most
    assert np.array_equal(np.unique(np.concatenate([window.residues for window in windows])), np.arange(length))
    for i, j in pairs:
        assert any(np.isin([i, j], window.residues).all() for window in windows)
    for window in windows:
        assert (np.diff(window.residues) > 0).all()
        assert ((window.weights > 0) & (window.weights <= 1)).all()


def test_what_fits_is_one_window_and_near_pairs_need_no_guests() -> None:
    assert [window.residues.tolist() for window in cut(50, [(0, 49)], 50)] == [[*range(50)]]
    windows = cut(2000, [(place, place + SPAN) for place in range(0, 1700, 301)], 2 * SPAN + 2)
    assert all((np.diff(window.residues) == 1).all() for window in windows)
    assert (room(LONGEST_WHOLE), room(LONGEST_WHOLE + 1)) == (LONGEST_WHOLE, WINDOW)


@pytest.mark.parametrize("is_laid_out", [True, False])
def test_windows_of_one_structure_join_to_it(is_laid_out: bool) -> None:
    parts, true = _parts(400, 150, is_laid_out=is_laid_out)
    whole = join(parts, true, is_laid_out=is_laid_out)
    ours, theirs = (frames.translations.double().numpy() for frames in (whole.frames, true))
    assert np.abs(move(ours, *superpose(ours, theirs)) - theirs).max() < 0.05
    steps = whole.frames.rotations[:-1].mT @ whole.frames.rotations[1:]
    assert torch.allclose(steps, true.rotations[:-1].mT @ true.rotations[1:], atol=1e-3)
    assert whole.ptm == max(part.ptm for part in parts)
    assert (np.diff(whole.plddt) >= -1e-3).all()
    assert whole.directions[0].unique().tolist() == [0.0]
    assert whole.directions[-1].unique().tolist() == [len(parts) - 1.0]


def test_where_windows_disagree_the_surer_one_counts_more() -> None:
    parts, true = _parts(200, 150, is_laid_out=True)
    shifted = Frames(parts[1].frames.rotations, parts[1].frames.translations + torch.randn(len(parts[1].plddt), 3))
    sure, unsure = (
        Part(parts[1].window, shifted, parts[1].directions, parts[1].plddt * share, 0.0) for share in (1, 0.01)
    )
    shared = torch.from_numpy(np.intersect1d(parts[0].window.residues, parts[1].window.residues))
    off = [
        (join([parts[0], other], true, is_laid_out=True).frames.translations - true.translations)[shared].norm()
        for other in (sure, unsure)
    ]
    assert off[1] < 0.2 * off[0]


def test_chances_are_means_of_windows_and_those_of_the_whole_elsewhere() -> None:
    windows = cut(300, [], 200)
    found = [
        (window, np.full((len(window.residues),) * 2, 0.2 * (1 + k), dtype=np.float32))
        for k, window in enumerate(windows)
    ]
    elsewhere = np.full((300, 300), 0.9, dtype=np.float32)
    mean = mean_chances(found, elsewhere)
    assert mean[0, 1] == pytest.approx(0.2)
    assert mean[0, 299] == pytest.approx(0.9)
    middle = windows[1].residues[0] + 50
    assert 0.2 < mean[middle, middle + 1] < 0.2 * len(windows)
