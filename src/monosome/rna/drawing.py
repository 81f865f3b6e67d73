"""Flat pictures of a structure and of its secondary structure, for reports and papers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float32, Float64

from monosome.evaluate.figures import INK, PALETTE, svg
from monosome.rna.chain import Chain
from monosome.rna.nucleotides import ATOM_INDEX, GLYCOSIDIC

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLDDT_BANDS = ((90, "#0053d6"), (70, "#65cbf3"), (50, "#ffdb13"), (0, "#ff7d45"))
"""Lower bound and colour of each confidence band, as the AlphaFold database colours them."""


def structure_svg(
    chain: Chain,
    plddt: Float32[np.ndarray, "n"] | None,
    pairs: Sequence[tuple[int, int]],
    *,
    title: str,
    native: Chain | None = None,
) -> str:
    """Two views of a chain, a quarter turn apart: backbone coloured by pLDDT, bases as rods, pairs as thin lines.

    `native`, superposed by the caller, is drawn in grey below. Views are along the principal axes.
    """
    trace = _trace(chain)
    axes_3d = _principal_axes(trace)
    colours = [_colour(value) for value in plddt.tolist()] if plddt is not None else ["#2f6fde"] * len(chain)

    def draw(figure: "Figure") -> None:
        panels = figure.subplots(2, 1)
        for panel, (across, up, depth) in zip(panels, ((0, 1, 2), (0, 2, 1)), strict=True):
            view = axes_3d[[across, up, depth]]
            if native is not None:
                _draw_trace(panel, (_trace(native) - trace.mean(0)) @ view.T, ["#9aa0a6"] * len(native), width=1.4)
            _draw_bases(panel, chain, trace.mean(0), view, pairs, colours)
            _draw_trace(panel, (trace - trace.mean(0)) @ view.T, colours, width=3.2)
            panel.set_aspect("equal")
            panel.set_axis_off()
            panel.autoscale_view()
        panels[0].set_title(title)

    return svg(draw, height_inches=4.2, name=title)


def arcs_svg(
    sequence: str, predicted: Sequence[tuple[int, int]], reference: Sequence[tuple[int, int]], *, title: str
) -> str:
    """Arc diagram: pairs of the predicted structure above the sequence, those of the reference below.

    With a reference, pairs that both have are green and the others orange; letters shrink to fit.
    """

    def draw(figure: "Figure") -> None:
        from matplotlib.patches import Arc

        axes = figure.subplots()
        for pairs, side, shared in ((predicted, 1, set(reference)), (reference, -1, set(predicted))):
            for i, j in pairs:
                colour = PALETTE[0] if not reference else PALETTE[2] if (i, j) in shared else PALETTE[1]
                start, end = (0, 180) if side > 0 else (180, 360)
                axes.add_patch(
                    Arc(((i + j) / 2, 0), j - i, j - i, theta1=start, theta2=end, color=colour, linewidth=1.3)
                )
        for place, base in enumerate(sequence):
            axes.text(place, 0, base, ha="center", va="center", fontsize=min(9, 420 / len(sequence)))
        reach = max([j - i for i, j in (*predicted, *reference)], default=2) / 2 + 2
        axes.set(xlim=(-1, len(sequence)), ylim=(-reach if reference else -2, reach), title=title)
        axes.set_aspect("equal")
        axes.set_axis_off()

    return svg(draw, width_inches=8.0, height_inches=3.8 if reference else 2.4, name=title)


def _trace(chain: Chain) -> Float64[np.ndarray, "n 3"]:
    """C4' of each residue, C1' where that is missing."""
    sugar = chain.atom("C4'")
    return np.where(np.isfinite(sugar), sugar, chain.atom("C1'")).astype(np.float64)


def _principal_axes(points: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "3 3"]:
    """Right-handed principal axes as rows, longest first: a mirrored axis would turn helices left-handed."""
    known = points[np.isfinite(points).all(-1)]
    axes = np.linalg.svd(known - known.mean(0), full_matrices=True)[2]
    axes[2] *= np.sign(np.linalg.det(axes))
    return axes


def _colour(plddt: float) -> str:
    return next((colour for low, colour in PLDDT_BANDS if plddt >= low), PLDDT_BANDS[-1][1])


def _draw_trace(panel: "Axes", points: Float64[np.ndarray, "n 3"], colours: Sequence[str], *, width: float) -> None:
    from matplotlib.collections import LineCollection

    segments = np.stack([points[:-1, :2], points[1:, :2]], axis=1)
    order = np.argsort(points[:-1, 2] + points[1:, 2])
    panel.add_collection(
        LineCollection(list(segments[order]), colors=[colours[i] for i in order], linewidths=width, capstyle="round")
    )


def _draw_bases(
    panel: "Axes",
    chain: Chain,
    centre: Float64[np.ndarray, "3"],
    view: Float64[np.ndarray, "3 3"],
    pairs: Sequence[tuple[int, int]],
    colours: Sequence[str],
) -> None:
    from matplotlib.collections import LineCollection

    sugars = (chain.atom("C1'") - centre) @ view.T
    tips = (_base_tips(chain) - centre) @ view.T
    rods = np.stack([sugars[:, :2], tips[:, :2]], axis=1)
    panel.add_collection(LineCollection(list(rods), colors=list(colours), linewidths=1.3, alpha=0.8))
    bridges = [(tips[i, :2], tips[j, :2]) for i, j in pairs]
    style: dict[str, Any] = {"colors": INK, "linewidths": 0.6, "alpha": 0.55, "linestyles": "dotted"}
    panel.add_collection(LineCollection(bridges, **style))


def _base_tips(chain: Chain) -> Float[np.ndarray, "n 3"]:
    """The ring atom that faces the partner: N1 of purines, N3 of pyrimidines."""
    facing = [ATOM_INDEX["N1" if GLYCOSIDIC[base] == "N9" else "N3"] for base in chain.sequence]
    return chain.atoms[np.arange(len(chain)), facing]
