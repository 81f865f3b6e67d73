"""How well a model has the interactions of the native: INF, and F1, of base pairs and stacks."""

from collections.abc import Iterable
from dataclasses import dataclass

from monosome.rna.interactions import BasePair, Interactions, Stack


@dataclass(frozen=True)
class Overlap:
    """Numbers of interactions that the native has, that the model has, and that both have in the same kind."""

    num_native: int
    num_model: int
    num_common: int

    @property
    def ppv(self) -> float | None:
        """Share of the model's interactions that are in the native; None where the model has none."""
        return self.num_common / self.num_model if self.num_model else None

    @property
    def sensitivity(self) -> float | None:
        """Share of the native's interactions that are in the model; None where the native has none."""
        return self.num_common / self.num_native if self.num_native else None

    @property
    def inf(self) -> float | None:
        """Interaction network fidelity, √(PPV · sensitivity); None where either is undefined.

        So the RNA-Puzzles tables have it: '-' or -1 where native or model has no such interaction, 0 where both have
        some and share none.
        """
        if not self.num_native or not self.num_model:
            return None
        return self.num_common / float(self.num_native * self.num_model) ** 0.5

    @property
    def f1(self) -> float | None:
        """Harmonic mean of PPV and sensitivity; 0 where one of the two has no such interaction, None where both."""
        total = self.num_native + self.num_model
        return 2 * self.num_common / total if total else None


@dataclass(frozen=True)
class Fidelity:
    """The overlap of all interactions, and of the classes that they fall into.

    `wc` are cis Watson–Crick/Watson–Crick pairs of any two bases, `nwc` all other pairs. `canonical` are those of `wc`
    that are AU, GC or GU, one per residue: what ClaRNA, and so rna-tools, calls WC.
    """

    all: Overlap
    wc: Overlap
    nwc: Overlap
    stack: Overlap
    canonical: Overlap


def inf(native: Interactions, model: Interactions) -> Fidelity:
    """The overlap of the interactions of two structures whose residues have the same numbers.

    Parisien et al. 2009, with the classes that RNA-Puzzles takes from MC-Annotate. A pair is common to both if its
    Leontis–Westhof class is the same, a stack if its direction is.
    """
    return Fidelity(
        all=_overlap((*native.pairs, *native.stacks), (*model.pairs, *model.stacks)),
        wc=_overlap(*([pair for pair in found.pairs if pair.kind == "cWW"] for found in (native, model))),
        nwc=_overlap(*([pair for pair in found.pairs if pair.kind != "cWW"] for found in (native, model))),
        stack=_overlap(native.stacks, model.stacks),
        canonical=_overlap(*([pair for pair in found.pairs if pair.is_canonical] for found in (native, model))),
    )


def _overlap(native: Iterable[BasePair | Stack], model: Iterable[BasePair | Stack]) -> Overlap:
    of_native, of_model = ({(found.i, found.j, found.kind) for found in side} for side in (native, model))
    return Overlap(len(of_native), len(of_model), len(of_native & of_model))
