"""`monosome explain`: every setting of a recipe, its type, its default, its meaning."""

from monosome.commands.domain import DOMAINS, config_type
from monosome.commands.output import print_json, print_table
from monosome.config import explain
from monosome.errors import ConfigError, nearest

Row = tuple[str, str, str, str]
COLUMNS = ("setting", "type", "default", "meaning")


def run(section: str, *, domain: str | None, json: bool) -> None:
    """Print the settings below `section`, those that domains share once."""
    explained = settings([domain] if domain else DOMAINS, section)
    if json:
        named = [(name, row) for name, rows in explained.items() for row in rows]
        print_json({"settings": [{"domain": name, **dict(zip(COLUMNS, row, strict=True))} for name, row in named]})
        return
    for name, rows in explained.items():
        print_table(COLUMNS, rows, title=f"{name} recipes")
        print()


def settings(domains: tuple[str, ...] | list[str], section: str) -> dict[str, list[Row]]:
    """Rows of settings under "all" when every one of several domains has them alike, else under their domain.

    Raises ConfigError with the nearest name when no domain has such a setting.
    """
    every = {name: list(explain(config_type(name))) for name in domains}
    chosen = {name: [row for row in rows if _below(row[0], section)] for name, rows in every.items()}
    if not any(chosen.values()):
        keys = {key for rows in every.values() for key, *_ in rows}
        known = keys | {key.rpartition(".")[0] for key in keys if "." in key}
        raise ConfigError(f"there is no setting {section!r}", nearest(section, sorted(known)))
    first, *others = chosen.values()
    shared = [row for row in first if others and all(row in rows for rows in others)]
    own = {name: [row for row in rows if row not in shared] for name, rows in chosen.items()}
    return {name: rows for name, rows in {"all": shared, **own}.items() if rows}


def _below(key: str, section: str) -> bool:
    return not section or key == section or key.startswith(f"{section}.")
