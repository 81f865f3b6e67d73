"""Configuration: recipe.toml, then key=value, into frozen pydantic models.

Sections `seed data model loss optim train` say what is learned and make the fingerprint. `execution` says how it
runs on this machine, exact to rounding; `numerics` says with what rounding. A card's preset fills what is "auto"
in the last two and touches nothing else.
"""

import hashlib
import json
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeGuard, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from monosome.errors import ConfigError, nearest

Auto = Literal["auto"]
Values = dict[str, Any]
LEARNED_SECTIONS = ("domain", "seed", "data", "model", "loss", "optim", "train")


class Section(BaseModel):
    """Part of a recipe: frozen, unknown keys refused, each field documented by the string below it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)


class _Place:
    """Marks a field that names a place on this machine: the fingerprint leaves it out."""


Place = Annotated[str, _Place()]
"""A path or a Hub name. What it holds is part of the fingerprint by content hash, where it lies is not."""


class DataConfig(Section):
    """Which examples are learned from."""

    path: Place = ""
    """Where the data lies; empty means what the package builds itself."""


class LossConfig(Section, ABC):
    """The loss: which named terms, with what weights."""

    balance: Literal["fixed", "uncertainty", "gradient_norm"] = "fixed"
    """The weights as they are; or over each term's running mean, which is where learned noise ends (Kendall et al.,
    arXiv 1705.07115); or over the running norm of each term's gradient (after Chen et al., arXiv 1711.02257)."""
    balance_every: Annotated[int, Field(gt=0)] = 20
    """Steps between measurements of the gradients' norms, each of which takes a backward pass for every term."""
    ramps: Mapping[str, tuple[int, int]] = {}
    """Steps between which a term's weight rises from 0, by the term's name: ramps.fape=[0,500]."""

    @abstractmethod
    def weights(self) -> Mapping[str, float]:
        """Weight of each named term of the task's Loss."""


class OptimConfig(Section):
    """The optimiser and its learning-rate schedule."""

    name: Literal["adamw", "adamw8bit", "adam", "lion", "muon"] = "adamw"
    """adamw (Loshchilov & Hutter, arXiv 1711.05101), adamw8bit with its states in 8 bits (Dettmers et al., arXiv
    2110.02861; needs the extra `bits`), adam (Kingma & Ba, arXiv 1412.6980: weight decay within the
    gradient), lion (Chen et al., arXiv 2302.06675), or muon for matrices inside the network with adamw for embeddings
    and vectors (Jordan et al. 2024; scaled as in Liu et al., arXiv 2502.16982, so that adamw's rate serves both)."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Peak learning rate. Lion wants about a tenth of AdamW's."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Decay of the running mean of the gradient, and of its square (AdamW) or of the update (Lion)."""
    eps: float = 1e-8
    """Added to AdamW's denominator."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Decoupled weight decay; matrices only, never biases, norms or embeddings of one dimension."""
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    """Gradients are scaled down to this global norm."""
    schedule: Literal["cosine", "wsd", "constant", "plateau"] = "cosine"
    """After the warm-up: cosine decay, warm-up-stable-decay (arXiv 2405.18392), constant, or halved whenever the
    training loss has stopped falling."""
    warmup_steps: Annotated[int, Field(ge=0)] = 20
    """Steps of linear warm-up from 0."""
    decay_share: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Last share of the steps in which wsd decays, linearly."""
    final_ratio: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Learning rate at the end, as a share of the peak; a plateau never goes below it."""
    plateau_steps: Annotated[int, Field(gt=0)] = 200
    """Steps whose mean training loss is compared with the best mean before; three in a row without a gain halve the
    rate. Held-out losses do not count: when they are measured is a matter of execution."""
    rates: Mapping[str, Annotated[float, Field(gt=0)]] = {}
    """Learning rate of parts of the network as a share of the others', by the part's name: rates.structure=0.3."""
    frozen_until: Mapping[str, Annotated[int, Field(ge=0)]] = {}
    """Steps for which a part of the network stays as it is, by the part's name: frozen_until.structure=500."""


class TrainConfig(Section):
    """How long, and with how many examples a step."""

    steps: Annotated[int, Field(gt=0)] = 1000
    """Optimiser steps."""
    batch_size: Annotated[int, Field(gt=0)] = 8
    """Examples per optimiser step, whatever the micro-batch: changing it changes what is learned."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the moving average of the weights that evaluation and checkpoints use; 0 keeps none."""
    initial: Place = ""
    """Run or checkpoint whose weights the first step begins with; layers that it lacks, or has in another shape, keep
    their random ones. Empty begins with random weights."""


class ExecutionConfig(Section):
    """How the run is carried out on this machine: exact to rounding, not part of the fingerprint."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where tensors live; auto takes the best device present."""
    threads: Auto | Annotated[int, Field(gt=0)] = "auto"
    """CPU threads; auto takes the cores this process may use, or OMP_NUM_THREADS where that is fewer."""
    micro_batch: Auto | Annotated[int, Field(gt=0)] = "auto"
    """Examples per forward pass; gradients are accumulated to train.batch_size. auto takes what
    `monosome plan --measure` found on this card for the recipe, else the preset's."""
    checkpoint_blocks: Auto | bool = "auto"
    """Recompute each block's activations in the backward pass: less memory, about a third more time."""
    rows_at_once: Annotated[int, Field(ge=0)] = 0
    """Rows of an RNA's pairs that are worked on at a time, in prediction and in training, where each piece is made
    again in the backward pass; 0 takes all at once, and 64 in prediction."""
    offload_optimizer: bool = False
    """Keep the optimiser's states in main memory: on the card are only those of the 16 MiB of weights being updated."""
    cache_teacher: bool = False
    """Compute once what a frozen teacher says of every training token, and keep it on disk for all runs with the same
    data and teacher, whatever the student, T and alpha: 2 bytes for each channel of the teacher and token. Kept in
    bf16, its logits differ by rounding, as in numerics.precision=bf16."""
    evaluate_every: Annotated[int, Field(ge=0)] = 200
    """Steps between evaluations on the validation split; 0 evaluates at the end only."""
    save_every: Annotated[int, Field(ge=0)] = 200
    """Steps between checkpoints; 0 saves at the end only."""
    keep_checkpoints: Annotated[int, Field(gt=0)] = 2
    """Latest checkpoints kept; the best by validation loss is kept besides."""
    log_every: Annotated[int, Field(gt=0)] = 10
    """Steps between lines of metrics.jsonl."""
    tensorboard: bool = False
    """Also write TensorBoard event files (needs the extra `track`)."""
    wandb: Literal["off", "offline", "online"] = "off"
    """Also log to Weights & Biases (needs the extra `track`); only online sends anything away."""


class NumericsConfig(Section):
    """With what rounding the run is carried out: results differ within tolerance, not part of the fingerprint."""

    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """fp32; or autocast with fp32 weights: bf16, or fp16 with a scaled loss, for cards before Ampere. Against fp32 a
    step's gradient is off by a few per cent of its norm in bf16, by less than one in fp16."""
    tf32: Auto | bool = "auto"
    """TensorFloat-32 matrix products on cards that have them."""
    fused_optimizer: Auto | bool = "auto"
    """PyTorch's fused AdamW kernel."""


class Config(Section):
    """A whole recipe. Each domain narrows data, model and loss to its own sections."""

    domain: str
    """Which task learns it: rna or protein."""
    seed: int = 0
    """Seed of every random draw: weights, order, crops."""
    data: DataConfig
    """Which examples are learned from."""
    model: Section
    """The network's size and shape."""
    loss: LossConfig
    """What is minimised."""
    optim: OptimConfig = OptimConfig()
    """The optimiser and its schedule."""
    train: TrainConfig = TrainConfig()
    """How long, and with how many examples a step."""
    execution: ExecutionConfig = ExecutionConfig()
    """How it runs here."""
    numerics: NumericsConfig = NumericsConfig()
    """With what rounding."""

    @model_validator(mode="before")
    @classmethod
    def _keep_defaults(cls, values: Any) -> Any:
        """A recipe that sets one key of a section leaves the domain's own defaults of its other keys alone."""
        if not isinstance(values, dict):
            return values
        merged = dict(values)
        for name, field in cls.model_fields.items():
            if isinstance(field.default, Section) and isinstance(values.get(name), dict):
                merged[name] = {**field.default.model_dump(exclude_unset=True), **values[name]}
        return merged


ConfigT = TypeVar("ConfigT", bound=Config)


def recipe_names(kind: str = "") -> list[str]:
    """Names of the recipes in the package, such as "rna/micro"; `kind` keeps one folder."""
    root = resources.files("monosome") / "recipes"
    return sorted(
        f"{folder.name}/{file.name.removesuffix('.toml')}"
        for folder in root.iterdir()
        if folder.is_dir() and kind in ("", folder.name)
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    )


def read_recipe(name: str) -> Values:
    """Values of a recipe given by package name ("rna/micro") or by the path of a .toml file.

    Raises ConfigError for an unknown name, an unreadable file or broken TOML.
    """
    if name.endswith(".toml"):
        try:
            text = Path(name).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read the recipe {name}: {error}", "give the path of a .toml file") from error
    elif name in recipe_names():
        text = (resources.files("monosome") / "recipes" / f"{name}.toml").read_text()
    else:
        raise ConfigError(f"there is no recipe {name!r}", nearest(name, recipe_names()))
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name} is not valid TOML: {error}") from error


def override(values: Values, assignments: Sequence[str]) -> Values:
    """A copy of `values` with each "section.key=value" applied; values are TOML, bare words are strings."""
    result: Values = json.loads(json.dumps(values, default=str))  # TOML has dates, JSON has not
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key:
            raise ConfigError(f"{assignment!r} is not key=value", "for example: optim.learning_rate=1e-3")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        *sections, last = key.strip().split(".")
        place = result
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise ConfigError(f"{key}: {section!r} is a value, not a section")
        place[last] = value
    return result


def build(config_type: type[ConfigT], values: Values) -> ConfigT:
    """The validated configuration.

    Raises ConfigError naming the key that is wrong and, for an unknown key, the nearest known one.
    """
    try:
        return config_type.model_validate(values)
    except ValidationError as error:
        raise _explained(config_type, error) from error


def _explained(config_type: type[Config], error: ValidationError) -> ConfigError:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        known = list(_section_at(config_type, path[:-1]).model_fields)
        return ConfigError(f"there is no setting {'.'.join(path)!r}", nearest(path[-1], known))
    names = [part for part in path if part.isidentifier() and part in _all_keys(config_type)]
    key = ".".join(names) or ".".join(path)
    # A setting of several types fails once for each: all that it may be are named.
    alike = [
        each["msg"].lower() for each in error.errors() if [str(part) for part in each["loc"]][: len(names)] == names
    ]
    wanted = [alike[0], *(message.removeprefix("input should be ") for message in alike[1:])]
    return ConfigError(
        f"{key}: {' or '.join(dict.fromkeys(wanted))} (got {first['input']!r})",
        f"monosome explain {names[0] if names else ''}",
    )


def _all_keys(section: type[BaseModel]) -> set[str]:
    keys = set(section.model_fields)
    for field in section.model_fields.values():
        if _is_section(field.annotation):
            keys |= _all_keys(field.annotation)
    return keys


def _section_at(config_type: type[BaseModel], path: Sequence[str]) -> type[BaseModel]:
    section = config_type
    for part in path:
        annotation = section.model_fields[part].annotation
        assert _is_section(annotation)
        section = annotation
    return section


def _is_section(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def fill_auto(config: ConfigT, preset: Mapping[str, Mapping[str, Any]]) -> ConfigT:
    """`config` with every "auto" of execution and numerics replaced by the preset's value."""
    filled: dict[str, Section] = {}
    for name in ("execution", "numerics"):
        section: Section = getattr(config, name)
        values = {key: preset.get(name, {}).get(key, value) if value == "auto" else value for key, value in section}
        filled[name] = type(section).model_validate(values)
    return config.model_copy(update=filled)


def fingerprint(config: Config, content_hash: str) -> str:
    """Hexadecimal name (16 digits) of what is learned: the learned sections, and the data by content, not by place."""
    text = json.dumps({**learned(config), "content": content_hash}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def learned(config: Config) -> Values:
    """The sections that say what is learned, without places: what two runs of one fingerprint have in common."""
    return {name: _without_places(getattr(config, name)) for name in LEARNED_SECTIONS}


def _without_places(value: Any) -> Any:
    if not isinstance(value, BaseModel):
        return value
    return {
        name: _without_places(getattr(value, name))
        for name, field in type(value).model_fields.items()
        if not any(isinstance(mark, _Place) for mark in field.metadata)
    }


def explain(config_type: type[BaseModel], defaults: BaseModel | None = None) -> Iterator[tuple[str, str, str, str]]:
    """Rows of (key, type, default, meaning) for every setting; `defaults` is what a recipe gets that sets nothing."""
    for name, field in config_type.model_fields.items():
        default = getattr(defaults, name) if defaults else field.get_default(call_default_factory=True)
        if _is_section(field.annotation):
            section = default if isinstance(default, BaseModel) else None
            for inner, type_text, text, meaning in explain(field.annotation, section):
                yield f"{name}.{inner}", type_text, text, meaning
        else:
            text = "required" if default is PydanticUndefined else json.dumps(default, default=str)
            yield name, _type_text(field), text, " ".join((field.description or "").split())


def _type_text(field: FieldInfo) -> str:
    def text(annotation: Any) -> str:
        if get_origin(annotation) is Literal:
            return " | ".join(str(choice) for choice in get_args(annotation))
        if get_origin(annotation) is Annotated:
            return text(get_args(annotation)[0])
        if get_args(annotation) and get_origin(annotation) not in (tuple, list, dict):
            return " | ".join(text(part) for part in get_args(annotation))
        return str(annotation) if get_origin(annotation) else getattr(annotation, "__name__", str(annotation))

    return text(field.annotation)


def to_toml(config: Config) -> str:
    """The resolved configuration as TOML that `read_recipe` reads back to the same values."""
    values = json.loads(config.model_dump_json())
    top = [f"{key} = {toml_value(value)}" for key, value in values.items() if not isinstance(value, dict)]
    return (
        "\n".join(
            [
                *top,
                *(line for key, value in values.items() if isinstance(value, dict) for line in _toml_table(key, value)),
            ]
        )
        + "\n"
    )


def _toml_table(name: str, values: Values) -> Iterator[str]:
    yield f"\n[{name}]"
    for key, value in values.items():
        if not isinstance(value, dict) and value is not None:
            yield f"{key} = {toml_value(value)}"
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _toml_table(f"{name}.{key}", value)


def toml_value(value: Any) -> str:
    """A string, number, switch or list of them as TOML text."""
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    # JSON, but TOML knows no surrogate pairs and wants the delete character escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
