import math

import pytest

from monosome.protein.properties import HELIX, STRAND, charge, isoelectric_point, properties, region_share
from monosome.protein.tokens import AMINO_ACIDS


def test_a_tripeptide_by_hand():
    """K A F: hydropathy (−3.9 + 1.8 + 2.8) / 3; masses 128.1741 + 71.0788 + 147.1766 + 18.0153; one A and one F."""
    found = properties("KAF")
    assert found["gravy"] == pytest.approx(0.7 / 3)
    assert found["mass"] == pytest.approx(364.4448)
    assert found["aromaticity"] == pytest.approx(1 / 3)
    assert found["aliphatic_index"] == pytest.approx(100 / 3)
    assert found["turn"] == pytest.approx((1.01 + 0.66 + 0.60) / 3)
    assert found["helix"] == found["strand"] == 0


def test_the_aliphatic_index_weighs_valine_and_leucine():
    assert properties("VLIG")["aliphatic_index"] == pytest.approx(100 * (2.9 + 3.9 + 3.9) / 4)


def test_charges_are_half_at_the_pka():
    """At pH 10.8 half of a lysine is charged; the N-terminus 1/(1 + 10^2.2), the C-terminus fully negative."""
    assert charge({"K": 1}, 10.8) == pytest.approx(0.5 + 1 / (1 + 10**2.2) - 1 / (1 + 10 ** (3.6 - 10.8)))


def test_glycine_is_neutral_between_its_ends():
    assert isoelectric_point({"G": 5}) == pytest.approx((8.6 + 3.6) / 2, abs=1e-6)
    assert charge({"D": 2, "K": 1}, isoelectric_point({"D": 2, "K": 1})) == pytest.approx(0, abs=1e-6)


def test_regions_by_hand():
    """Six E of 1.51 make a helix; five V of 1.70 a strand (helix 1.06); six G neither."""
    assert region_share("GGG" + "EEEEEE", (HELIX, STRAND), 6, 1.5) == pytest.approx(6 / 9)
    assert properties("EEEEEE")["helix"] == 1
    assert properties("VVVVV")["strand"] == 1
    assert properties("GGGGGG")["helix"] == 0


def test_the_tables_are_whole():
    for table in (HELIX, STRAND):
        assert sorted(table) == list(AMINO_ACIDS)


def test_other_letters_are_left_out():
    assert properties("KXAF") == properties("KAF")
    assert set(properties("XX").values()) == {None}
    assert math.isfinite(properties("A")["isoelectric_point"] or math.nan)
