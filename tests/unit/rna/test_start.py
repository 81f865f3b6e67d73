import torch

from monosome.rna.geometry import helix_frames
from monosome.rna.layout import paired_frames
from monosome.rna.start import STRAND_GAP, chained, start_frames, steps_of
from tests.unit.rna.test_frames import random_frames


def test_identity_has_all_at_the_origin():
    frames = start_frames("identity", torch.zeros(3, dtype=torch.int64), torch.zeros(3, dtype=torch.int64))
    assert torch.equal(frames.translations, torch.zeros(3, 3))
    assert torch.equal(frames.rotations, torch.eye(3).expand(3, 3, 3))


def test_helices_stand_side_by_side():
    frames = start_frames("helix", torch.tensor([0, 0, 1, 1]), torch.zeros(4, dtype=torch.int64))
    helix = helix_frames(4).translations
    assert torch.allclose(frames.translations.mean(0), torch.zeros(3), atol=1e-5)
    apart = frames.translations[2:] - frames.translations[:2] - (helix[2:] - helix[:2])
    assert torch.allclose(apart, torch.tensor([STRAND_GAP, 0.0, 0.0]), atol=1e-5)


def test_paired_is_the_layout_of_its_pairs_and_seed():
    segments, pairs = torch.zeros(12, dtype=torch.int64), [(0, 11), (1, 10), (2, 9), (3, 8)]
    frames = start_frames("paired", segments, segments, pairs, 3)
    assert torch.equal(frames.translations, paired_frames(segments, pairs, 3).translations)


def test_steps_lead_back_to_the_frames_they_were_taken_from():
    frames = random_frames(2, 13)
    again = chained(steps_of(frames))
    assert torch.allclose(again.translations, frames.translations, atol=1e-4)
    assert torch.allclose(again.rotations, frames.rotations, atol=1e-5)
    helix = steps_of(helix_frames(9))
    assert torch.allclose(helix.translations[1:], helix.translations[1].expand(8, 3), atol=1e-4), "a screw"


def test_usual_strands_are_bonded_like_real_ones_and_depend_on_the_bases():
    segments = torch.zeros(40, dtype=torch.int64)
    bases = torch.randint(0, 4, (40,), generator=torch.Generator().manual_seed(0))
    frames = start_frames("nucleotide", segments, bases)
    links = (frames.translations[1:] - frames.translations[:-1]).norm(dim=-1)
    assert ((links > 4.8) & (links < 6.0)).all(), "C1'-C1' of stacked neighbours: median 5.55 Å"
    assert not torch.allclose(frames.translations, start_frames("nucleotide", segments, bases.flip(0)).translations)
    sheared = torch.linalg.det(frames.rotations)
    assert torch.allclose(sheared, torch.ones(40), atol=1e-2)
