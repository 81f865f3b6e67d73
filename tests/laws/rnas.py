"""A BetaRho small enough for the laws."""

from typing import Any

from monosome.config import build, override
from monosome.rna.recipe import BetaRhoConfig
from monosome.rna.task import BetaRhoTask

SMALL = [
    "data.num_synthetic=19",  # 16 to train on: a multiple of the batch, as the laws that count passes need
    "data.crop_length=16",
    "model.single_channels=16",
    "model.pair_channels=8",
    "model.num_trunk_blocks=1",
    "model.num_ipa_blocks=2",
    "model.num_heads=2",
    "model.ipa_heads=2",
    "model.ipa_channels=4",
    "optim.warmup_steps=2",
]


def rna_task(*settings: str, **_: Any) -> BetaRhoTask:
    """BetaRho on hairpins and duplexes that the package builds."""
    return BetaRhoTask(build(BetaRhoConfig, override({"domain": "rna"}, [*SMALL, *settings])))
