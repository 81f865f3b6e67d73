import json

import pytest

from monosome.commands import explain
from monosome.commands.domain import DOMAINS, config_type
from monosome.errors import ConfigError


def test_what_domains_share_is_told_once_and_nothing_is_lost():
    explained = explain.settings(DOMAINS, "")
    assert set(explained) == {"all", *DOMAINS}
    for domain in DOMAINS:
        told = sorted(explained["all"] + explained[domain])
        assert told == sorted(explain.settings([domain], "")[domain])
    assert not {row for domain in DOMAINS for row in explained[domain]} & set(explained["all"])
    assert {"execution.device", "train.steps"} <= {row[0] for row in explained["all"]}


def test_a_section_and_a_single_setting():
    rows = explain.settings(["protein"], "loss")["protein"]
    assert {row[0] for row in rows} == {
        f"loss.{name}" for name in config_type("protein").model_fields["loss"].annotation.model_fields
    }
    (row,) = explain.settings(["protein"], "loss.alpha")["protein"]
    assert row[2] == "0.5"


def test_a_setting_of_one_domain_is_found_without_naming_it():
    assert set(explain.settings(DOMAINS, "loss.alpha")) == {"protein"}


@pytest.mark.parametrize(
    ("section", "nearest"),
    [("optimm", "optim"), ("loss.alpa", "loss.alpha"), ("optim.learnin_rate", "optim.learning_rate")],
)
def test_an_unknown_setting_is_answered_with_the_nearest(section: str, nearest: str):
    with pytest.raises(ConfigError) as raised:
        explain.settings(DOMAINS, section)
    assert raised.value.hint == f"did you mean {nearest!r}?"


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_setting_has_a_meaning(domain: str):
    assert all(row[3] for row in explain.settings([domain], "")[domain])


def test_json(capsys: pytest.CaptureFixture[str]):
    explain.run("numerics", domain=None, json=True)
    settings = json.loads(capsys.readouterr().out)["settings"]
    assert {row["domain"] for row in settings} == {"all"}
    assert settings[0].keys() == {"domain", "setting", "type", "default", "meaning"}
