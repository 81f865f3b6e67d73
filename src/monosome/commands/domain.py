"""The one place that turns a recipe's `domain` into a task."""

from typing import Any

from monosome.config import Config, Values, build
from monosome.errors import ConfigError, nearest
from monosome.task import Task

DOMAINS = ("rna", "protein")


def config_type(domain: str) -> type[Config]:
    """The configuration class of a domain, without its network: no torch is needed to read a recipe.

    Raises ConfigError for an unknown domain.
    """
    match domain:
        case "rna":
            from monosome.rna.recipe import BetaRhoConfig

            return BetaRhoConfig
        case "protein":
            from monosome.protein.recipe import ProteinConfig

            return ProteinConfig
        case _:
            raise ConfigError(f"there is no domain {domain!r}", nearest(domain, DOMAINS))


def task_type(domain: str) -> type[Task[Any, Any, Any]]:
    """The task class of a domain."""
    match domain:
        case "rna":
            from monosome.rna.task import BetaRhoTask

            return BetaRhoTask
        case "protein":
            from monosome.protein.task import DistillationTask

            return DistillationTask
        case _:
            raise ConfigError(f"there is no domain {domain!r}", nearest(domain, DOMAINS))


def task_for(values: Values) -> Task[Any, Any, Any]:
    """The task that a recipe's values describe."""
    if "domain" not in values:
        raise ConfigError("the recipe names no domain", 'begin it with domain = "rna" or domain = "protein"')
    domain = values["domain"]
    return task_type(domain)(build(config_type(domain), values))
