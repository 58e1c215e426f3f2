"""From a folder to a profile.

What this file does *not* do: it does not add up the numbers, :mod:`.findings` does.
"""

from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path
from typing import Any

from llmsyn import shipped
from llmsyn.errors import ProfileError
from llmsyn.profile.places import DOCUMENT, Rows, Source
from llmsyn.profile.references import reference_findings
from llmsyn.profile.scale import Scale
from llmsyn.profile.schema import Document, parse_document
from llmsyn.profile.table_files import read_table
from llmsyn.profile.tables import Table
from llmsyn.profile.terms import Term, parse_range
from llmsyn.profile.types import Disclosure, Profile, Provenance, Rule
from llmsyn.profile.variable_files import read_variable
from llmsyn.profile.variables import Categorical, CodeSet, Numeric, Variable
from llmsyn.store import parse_toml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_DOCUMENT_BYTES = 4 * 2**20

PREFIX = "shipped:"


def shipped_profiles() -> dict[str, Path]:
    """Name and folder of each profile that ships with the package, by name.

    Raises
    ------
    ProfileError : the installation is broken.
    """
    try:
        folder = shipped.shipped("stats")
    except FileNotFoundError as error:
        raise ProfileError(str(error)) from None
    return {path.parent.name: path.parent for path in sorted(folder.glob(f"*/{DOCUMENT}"))}


def find_profile(name_or_path: str) -> Path:
    """Folder of the profile that a command was given.

    Parameters
    ----------
    name_or_path : a path with a separator (``./NAME``), ``shipped:NAME``, or a bare name,
        which is a shipped profile, or a folder where none of that name ships.

    Raises
    ------
    ProfileError : there is none, or a bare name is a shipped profile and a folder.
    """
    if name_or_path.startswith(PREFIX):
        return _shipped(name_or_path.removeprefix(PREFIX), name_or_path)
    path = Path(name_or_path)
    bare = bool(re.fullmatch(r"[\w-][\w.-]*", name_or_path))
    if bare and name_or_path in shipped_profiles():
        if path.is_dir():
            raise ProfileError(
                f"'{name_or_path}' is a shipped profile and a folder; write ./{name_or_path} or "
                f"{PREFIX}{name_or_path}"
            )
        return shipped_profiles()[name_or_path]
    if path.is_dir():
        return path
    if path.exists():
        raise ProfileError(f"'{name_or_path}' is a file; give the folder of the profile")
    if bare:
        return _shipped(name_or_path, name_or_path)
    raise ProfileError(f"there is no folder '{name_or_path}'; give the folder of a profile")


def _shipped(name: str, given: str) -> Path:
    known = shipped_profiles()
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else "llmsyn profile list names those that ship"
    raise ProfileError(f"there is no profile '{given}', neither shipped nor a folder here; {hint}")


def read_profile(folder: Path) -> Profile:
    """Read a profile whose parts fit together.

    Numbers may still contradict each other: :func:`llmsyn.profile.findings.check_profile`
    looks for that, and compiling a network reconciles them.

    Parameters
    ----------
    folder : holds ``profile.toml`` and CSV files (see ``docs/profile-format.md``).

    Raises
    ------
    ProfileError : a file cannot be read, a key is unknown, or a table or rule names
        something that the profile does not have.
    """
    profile, source = read_profile_with_rows(folder)
    for finding in reference_findings(profile, source):
        if finding.severity == "error":
            raise ProfileError(finding.message, file=finding.file, row=finding.row, key=finding.key)
    return profile


def read_profile_with_rows(folder: Path) -> tuple[Profile, Source]:
    """Read a profile, and where each of its numbers stands.

    Tables, rules and stages may name what is not there; :mod:`.findings` says so.

    Raises
    ------
    ProfileError : a file cannot be read, or a key is unknown.
    """
    document = parse_document(_toml(folder / DOCUMENT), DOCUMENT)
    half = document.disclosure.rounding / 2 if document.disclosure.rounding > 1 else 0.0
    keys: dict[str, str] = {}
    rows: dict[str, Rows] = {}
    variables: list[Variable] = []
    for i, each in enumerate(document.variables):
        path = f"variables[{i}]"
        if each.name in keys:
            raise ProfileError(
                f"the name '{each.name}' stands twice, first in {keys[each.name]}; rename one",
                file=DOCUMENT,
                key=f"{path}.name",
            )
        keys[each.name] = path
        variable, lines = read_variable(
            each, folder, path, Scale(document.n_units, half, each.sigma > 0)
        )
        variables.append(variable)
        rows.update(lines)
    tables: list[Table] = []
    for i, table_keys in enumerate(document.tables):
        keys[f"#{i}"] = f"tables[{i}]"
        scale = Scale(document.n_units, half, table_keys.sigma > 0)
        table, rows[f"#{i}"] = read_table(table_keys, folder, f"tables[{i}]", scale)
        tables.append(table)
    kinds = {variable.name: variable for variable in variables}
    rules: list[Rule] = []
    for i, rule in enumerate(document.rules):
        keys[f"!{i}"] = f"rules[{i}]"
        terms = [_term(t, kinds, f"rules[{i}].never[{j}]") for j, t in enumerate(rule.never)]
        rules.append(Rule(tuple(terms), rule.reason, rule.source))
    return _profile(document, variables, tables, rules), Source(keys, rows)


def _profile(
    document: Document, variables: list[Variable], tables: list[Table], rules: list[Rule]
) -> Profile:
    disclosure = document.disclosure.model_dump()
    disclosure["left_out"] = tuple(disclosure["left_out"])
    patients = document.n_units if document.n_patients is None else document.n_patients
    return Profile(
        name=document.name,
        unit=document.unit,
        n_units=float(document.n_units),
        n_patients=float(patients),
        stages=tuple(document.stages),
        variables=tuple(variables),
        tables=tuple(tables),
        rules=tuple(rules),
        title=document.title,
        provenance=Provenance(**document.provenance.model_dump()),
        disclosure=Disclosure(**disclosure),
    )


def _term(text: str, variables: dict[str, Variable], key: str) -> Term:
    """A term of a rule; only a number's value is read as a range."""
    name, sign, value = text.partition("=")
    name = name.strip()
    variable = variables.get(name, variables.get(name.partition(".")[0]))
    labels: tuple[str, ...] = ()
    if isinstance(variable, Categorical):
        labels = variable.levels
    elif isinstance(variable, CodeSet):
        labels = variable.codes
    if sign and value in labels:
        return Term(name, value)
    if not sign or not name or not value.strip():
        raise ProfileError(f"'{text}' is no term; write variable=value", file=DOCUMENT, key=key)
    if isinstance(variable, Numeric):
        return Term(name, parse_range(value.strip()) or value.strip())
    return Term(name, value.strip())


def _toml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ProfileError(
            "the folder has no such file; give the folder of a profile, or begin one with "
            "llmsyn profile init",
            file=DOCUMENT,
        )
    if path.stat().st_size > MAX_DOCUMENT_BYTES:
        raise ProfileError("the file has more than 4 MB; numbers belong into CSV", file=DOCUMENT)
    try:
        return parse_toml(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ProfileError("the text is not UTF-8; save it as UTF-8", file=DOCUMENT) from None
    except tomllib.TOMLDecodeError as error:
        at = re.search(r" \(at line (\d+), column \d+\)", str(error))
        reason = str(error).partition(" (at ")[0]
        row = int(at[1]) if at else None
        raise ProfileError(
            f"the text is no TOML ({reason}); correct it", file=DOCUMENT, row=row
        ) from None
