import torch

from monosome.rna.geometry import helix_frames
from monosome.rna.layout import paired_frames
from monosome.rna.start import STRAND_GAP, start_frames


def test_identity_has_all_at_the_origin():
    frames = start_frames("identity", torch.zeros(3, dtype=torch.int64))
    assert torch.equal(frames.translations, torch.zeros(3, 3))
    assert torch.equal(frames.rotations, torch.eye(3).expand(3, 3, 3))


def test_helices_stand_side_by_side():
    frames = start_frames("helix", torch.tensor([0, 0, 1, 1]))
    helix = helix_frames(4).translations
    assert torch.allclose(frames.translations.mean(0), torch.zeros(3), atol=1e-5)
    apart = frames.translations[2:] - frames.translations[:2] - (helix[2:] - helix[:2])
    assert torch.allclose(apart, torch.tensor([STRAND_GAP, 0.0, 0.0]), atol=1e-5)


def test_paired_is_the_layout_of_its_pairs_and_seed():
    segments, pairs = torch.zeros(12, dtype=torch.int64), [(0, 11), (1, 10), (2, 9), (3, 8)]
    frames = start_frames("paired", segments, pairs, 3)
    assert torch.equal(frames.translations, paired_frames(segments, pairs, 3).translations)
