"""Prepare what betarho-micro is trained on: chains in 3D, and secondary structures, without relatives of its test set.

    python tools/prepare_betarho.py DATA OUT

DATA holds rna_fullatom (PDB files with manifest.csv and rna_clusters.csv), rna_kaggle_c1 (train_sequences.csv and
train_labels.csv of Kaggle's Stanford RNA 3D Folding), rna_2d (ArchiveII, bpRNA-1m(90), RNA STRAND, PseudoBase and pairs
of RNA3DB, as dot-bracket files and tables) and rna_ts60/Natives. Writes to OUT:

    held_out.fasta   sequences of the natives that the model is tested on
    chains           for data.path: chains with all atoms, and of Kaggle's those that are not among them
    pairs.dbn        for data.structures of the first stage: not of relatives of the natives, nor at 80 % of a chain
    some_pairs.dbn   for the others: every longer one but for repeats of a family, and a few of the short ones
"""

import csv
import random
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from monosome.rna.chain import join
from monosome.rna.files import read_structure
from monosome.rna.known_pairs import KnownPairs, read_known_pairs
from monosome.rna.preparation import Request, prepare
from monosome.sequences.fasta import Record
from monosome.sequences.leakage import find_leaks
from monosome.sequences.relatives import RNA

LONGEST = 400
"""Of longer ones the probabilities of pairs take long; training takes those up to 256."""
SAME = 0.8
"""Identity from which a secondary structure is that of a chain in 3D."""
REPEATS = 2
"""Chains of one sequence that are kept of Kaggle's."""
PER_FAMILY, NUM_OTHERS, NUM_SHORT = 25, 250, 150


def held_out(natives: Path) -> list[Record]:
    """The sequences of the natives."""
    files = sorted(natives.glob("*.pdb.gz"))
    return [Record(file.name.partition("_native")[0], "", join(read_structure(file).chains).sequence) for file in files]


def prepared(source: Path, out: Path, tests: Path) -> list[dict[str, str]]:
    """Rows of the chains of a folder that are no relatives of the tests."""
    prepare(Request(source, out, held_out=tests), lambda done, known: None)
    with (out / "manifest.csv").open() as opened:
        return list(csv.DictReader(opened))


def merged(
    folders: Sequence[tuple[Path, list[dict[str, str]]]], clusters: dict[str, str], out: Path
) -> list[dict[str, str]]:
    """One prepared folder of several: of each later one the sequences that are not there yet, REPEATS times each."""
    (out / "chains").mkdir(parents=True)
    rows: list[dict[str, str]] = []
    for folder, found in folders:
        before = {row["sequence"] for row in rows}
        counts: dict[str, int] = {}
        for row in found:
            counts[row["sequence"]] = counts.get(row["sequence"], 0) + 1
            if row["sequence"] not in before and (not before or counts[row["sequence"]] <= REPEATS):
                shutil.copy(folder / "chains" / f"{row['id']}.npz", out / "chains")
                rows.append({**row, "cluster": clusters[row["id"]]})
    with (out / "manifest.csv").open("w", newline="") as opened:
        writer = csv.DictWriter(opened, fieldnames=rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return rows


def unrelated(known: list[KnownPairs], tests: list[Record], chains: list[Record]) -> list[KnownPairs]:
    """Secondary structures that neither the tests nor the chains tell."""
    known = [each for each in known if len(each.sequence) <= LONGEST]
    records = [Record(each.id, "", each.sequence) for each in known]
    leaks = {leak.train for leak in find_leaks(records, tests, RNA)}
    leaks |= {leak.train for leak in find_leaks(records, chains, RNA) if leak.identity >= SAME}
    return [each for each in known if each.id not in leaks]


def selected(known: list[KnownPairs]) -> list[KnownPairs]:
    """A few hundred, of many kinds."""
    draw = random.Random(0)
    families: dict[str, list[KnownPairs]] = {}
    for each in known:
        source, name, *_ = each.id.split(":")
        family = name.split("_")[0] if source == "archiveII" else source
        if len(each.sequence) >= 90 or source != "archiveII":
            families.setdefault(family, []).append(each)
    found: list[KnownPairs] = []
    for family, some in families.items():
        most = {"bprna_1m90_short": NUM_SHORT, "rna3db_2d": NUM_OTHERS, "rnastrand_verified": NUM_OTHERS}
        found += draw.sample(some, min(len(some), most.get(family, PER_FAMILY)))
    return found


def write(path: Path, known: Iterable[KnownPairs]) -> None:
    """Three lines a structure."""
    path.write_text("".join(f">{each.id}\n{each.sequence}\n{each.structure}\n" for each in known))


def main() -> None:
    """Prepare."""
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True)
    tests, fasta = held_out(data / "rna_ts60" / "Natives"), out / "held_out.fasta"
    fasta.write_text("".join(f">{record.id}\n{record.sequence}\n" for record in tests))
    folders = [out / "work" / name for name in ("rna_fullatom", "rna_kaggle_c1")]
    with (data / "rna_fullatom" / "rna_clusters.csv").open() as opened:
        clusters = {row["id"]: row["cluster80"] for row in csv.DictReader(opened)}
    found = [(folder, prepared(data / folder.name, folder, fasta)) for folder in folders]
    rows = merged(found, clusters, out / "chains")
    chains = [Record(row["id"], "", row["sequence"]) for row in rows if int(row["length"]) <= LONGEST]
    known, note = read_known_pairs(data / "rna_2d")
    kept = unrelated(known, tests, chains)
    write(out / "pairs.dbn", kept)
    write(out / "some_pairs.dbn", selected(kept))
    print(f"{len(rows)} chains; {len(kept)} of {len(known)} secondary structures ({note})")


if __name__ == "__main__":
    main()
