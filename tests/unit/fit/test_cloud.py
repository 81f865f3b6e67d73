import pytest

from monosome.fit.cloud import instances


def test_every_price_says_whose_and_of_when_it_is():
    assert {each.card for each in instances()} == {"t4", "a10g", "v100", "a100-40"}
    assert all("20" in each.source and each.dollars_per_hour > 0 for each in instances())


def test_the_bound_is_the_cards_full_speed():
    t4 = next(each for each in instances() if each.name == "g4dn.xlarge")
    assert t4.hours_at_least(65e12 * 3600) == pytest.approx(1.0)
    assert t4.dollars_at_least(65e12 * 7200) == pytest.approx(1.06)
