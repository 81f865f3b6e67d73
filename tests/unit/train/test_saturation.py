from monosome.train.saturation import PATIENCE, Saturation


def test_a_term_at_its_bound_is_named_once_each_time_it_comes_to_stand_there():
    watch = Saturation({"tm": 1.0, "fape": 1.0})
    said = [list(watch.observe({"tm": 0.99, "fape": 1.5})) for _ in range(3 * PATIENCE)]
    assert [place for place, notes in enumerate(said) if notes] == [PATIENCE - 1]
    assert said[PATIENCE - 1][0].startswith("tm has stood at its bound of 1 for 20 steps")
    assert not list(watch.observe({"tm": 0.5}))
    again = [list(watch.observe({"tm": 1.0})) for _ in range(PATIENCE)]
    assert sum(map(len, again)) == 1


def test_a_term_that_is_not_computed_is_not_named():
    watch = Saturation({"tm": 1.0})
    assert not any(list(watch.observe({"loss": 1.0})) for _ in range(2 * PATIENCE))
