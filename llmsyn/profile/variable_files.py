"""From the keys and CSV files of one variable to the variable."""

from __future__ import annotations

from pathlib import Path

from llmsyn.errors import ProfileError
from llmsyn.profile.code_files import read_codes
from llmsyn.profile.number_files import read_number
from llmsyn.profile.places import DOCUMENT, Rows
from llmsyn.profile.scale import Scale, common
from llmsyn.profile.schema import CategoricalKeys, NumericKeys, VariableKeys
from llmsyn.profile.sheets import read_sheet
from llmsyn.profile.variables import Categorical, Variable


def read_variable(
    keys: VariableKeys, folder: Path, path: str, scale: Scale
) -> tuple[Variable, dict[str, Rows]]:
    """Read the files of a variable.

    Parameters
    ----------
    keys : its table in ``profile.toml``.
    folder : the profile's folder.
    path : key path of that table.
    scale : how numbers become counts.

    Returns
    -------
    The variable, and the lines of each of its arrays (see :class:`.places.Source`).

    Raises
    ------
    ProfileError : a file cannot be read or does not have the columns.
    """
    if isinstance(keys, CategoricalKeys):
        return _categorical(keys, folder, path, scale)
    if isinstance(keys, NumericKeys):
        return read_number(keys, folder, path, scale)
    return read_codes(keys, folder, path, scale)


def _categorical(
    keys: CategoricalKeys, folder: Path, path: str, scale: Scale
) -> tuple[Variable, dict[str, Rows]]:
    sheet = read_sheet(folder, keys.file, f"{path}.file")
    sheet.expect(("level",), ("count", "share"))
    levels = sheet.once("level")
    if not levels:
        raise sheet.error("there is no row below the header; write one row a level")
    counts, half_width = scale.column(sheet, "")
    for key, named in (("missing", [keys.missing] if keys.missing else []), ("means", keys.means)):
        for level in named:
            if level not in levels:
                raise ProfileError(
                    f"'{level}' is no level of {keys.name}; its levels are {', '.join(levels)}",
                    file=DOCUMENT,
                    key=f"{path}.{key}",
                )
    variable = Categorical(
        **common(keys, half_width),
        levels=tuple(levels),
        counts=counts,
        ordered=keys.ordered,
        missing=keys.missing,
        means=dict(keys.means),
    )
    return variable, {keys.name: Rows(keys.file, f"{path}.file", sheet.lines)}
