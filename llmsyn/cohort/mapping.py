"""The mapping file: one TOML file makes any hospital's tables readable.

``docs/mapping-format.md`` explains every key.  This file parses and checks; it opens no table.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from llmsyn.errors import MappingError
from llmsyn.profile.complaints import complain
from llmsyn.store import parse_toml, read_at_most, sha256_file

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

System = Literal[
    "icd9cm", "icd10cm", "icd9proc", "icd10pcs", "cpt", "hcpcs",
    "ingredient", "atc", "ndc", "rxnorm", "local",
]  # fmt: skip
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Where = dict[str, list[str]]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TableFile(_Strict):
    """One table: its file or files, and the columns that say whose row it is."""

    file: str  # relative to the data folder; may be a glob such as "parts/*.parquet"
    patient: str | None = None
    stay: str | None = None
    delimiter: str = ","
    encoding: str = "utf8"
    missing: list[str] = []  # texts that mean missing in every column
    where: Where = {}  # keep rows whose column has one of these texts


class Units(_Strict):
    """What one unit is: a row of this table, or the first row of each patient."""

    table: str
    patient: str
    stay: str | None = None
    keep: Literal["all", "first"] = "all"
    order_by: str | None = None


class _Variable(_Strict):
    name: Name
    stage: Name
    role: Literal["feature", "outcome", "proxy"] = "feature"
    proxy_of: str | None = None
    label: str = ""
    concept: str | None = None

    @property
    def part(self) -> Literal["feature", "outcome", "proxy"]:
        """The role; naming an outcome in ``proxy_of`` makes a variable a proxy."""
        return "proxy" if self.proxy_of else self.role


class CategoricalSpec(_Variable):
    """A variable with named levels."""

    kind: Literal["categorical"]
    table: str | None = None
    column: str
    levels: dict[str, str] = {}  # text in the table -> level
    other: str | None = None  # level of every text that `levels` does not name
    missing: list[str] = []
    absent: str | None = None  # level of units without any row in the table
    order: list[str] = []
    ordered: bool = False
    means: dict[str, str] = {}
    pick: Literal["first", "last", "any", "min", "max"] | None = None

    @model_validator(mode="after")
    def _has_order(self) -> CategoricalSpec:
        if (self.ordered or self.pick in ("any", "min", "max")) and not self.declared:
            raise ValueError("the order of the levels is needed here; add order = [...]")
        return self

    @property
    def declared(self) -> tuple[str, ...]:
        """Levels in the order in which the mapping names them."""
        named = [*self.order, *self.levels.values()]
        named += [level for level in (self.other, self.absent) if level is not None]
        return tuple(dict.fromkeys(named))


class NumericSpec(_Variable):
    """A number, read from one column or from two dates."""

    kind: Literal["numeric"]
    table: str | None = None
    column: str | None = None
    years_between: tuple[str, str] | None = None
    days_between: tuple[str, str] | None = None
    interval: bool = False  # the text is an interval such as "[70-80)"
    unit: str = ""
    decimals: Annotated[int, Field(ge=0, le=6)] = 0
    edges: list[float] = []
    top: float | None = None
    bottom: float | None = None
    missing: list[str] = []
    pick: Literal["first", "last", "min", "max", "count"] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> NumericSpec:
        given = [self.column, self.years_between, self.days_between]
        counted = self.pick == "count" and self.table is not None
        if sum(x is not None for x in given) != 1 and not (counted and not any(given)):
            raise ValueError("write exactly one of column, years_between, days_between")
        if self.interval and not self.edges:
            raise ValueError("interval text needs the ends of the intervals; add edges = [...]")
        if any(a >= b for a, b in zip(self.edges, self.edges[1:])) or len(self.edges) == 1:
            raise ValueError("edges must be two or more increasing numbers; sort them")
        return self


class CodeSource(_Strict):
    """Where codes of a code set stand: a long table, wide columns, or flags."""

    table: str | None = None
    code: str | None = None
    columns: list[str] = []
    flags: list[str] = []
    absent: list[str] = []  # flag texts that mean that the unit does not have the code
    names: dict[str, str | list[str]] = {}  # flag column -> its code or codes
    position: str | None = None  # column with 1 for the main code, then 2, 3, ...
    main_flag: str | None = None  # column that is 1, true, yes or y for the main code
    time: str | None = None
    system: System | None = None
    system_column: str | None = None
    systems: dict[str, System] = {}  # text in system_column -> system
    where: Where = {}
    missing: list[str] = []
    truncate: Annotated[int, Field(ge=1)] | None = None
    pad: Annotated[int, Field(ge=1)] | None = None
    lower: bool = False

    @model_validator(mode="after")
    def _one_shape(self) -> CodeSource:
        if sum(map(bool, (self.code, self.columns, self.flags))) != 1:
            raise ValueError("write exactly one of code, columns, flags")
        if (self.system is None) == (self.system_column is None):
            raise ValueError("write either system or system_column")
        if self.system_column and (not self.systems or not self.code):
            raise ValueError("system_column needs code and a table of systems")
        if self.flags and not self.absent:
            raise ValueError("flags need the texts that mean no; add absent = [...]")
        if (self.position or self.main_flag or self.time) and not self.code:
            raise ValueError("position, main_flag and time need a code column")
        if self.position and self.main_flag:
            raise ValueError("write either position or main_flag")
        return self

    @property
    def all_systems(self) -> tuple[str, ...]:
        """The code systems that can occur here."""
        return (self.system,) if self.system else tuple(dict.fromkeys(self.systems.values()))


class SelectorSpec(_Strict):
    """The variable whose level says which code systems a unit can have."""

    variable: str
    systems: dict[str, list[System]]


class CodesSpec(_Variable):
    """A list of codes per unit."""

    kind: Literal["codes"]
    sources: Annotated[list[CodeSource], Field(min_length=1)]
    main: bool = False  # the first code of a unit is its main code
    selector: SelectorSpec | None = None
    normalise: Literal["ingredient", "none"] | None = None  # None: where a system is ingredient

    @property
    def systems(self) -> tuple[str, ...]:
        """All code systems of the set, in the order of the mapping."""
        return tuple(dict.fromkeys(s for source in self.sources for s in source.all_systems))


VariableSpec = Annotated[CategoricalSpec | NumericSpec | CodesSpec, Field(discriminator="kind")]


class RuleSpec(_Strict):
    """Terms ``variable=level`` that can never all hold for one unit."""

    never: Annotated[list[str], Field(min_length=2)]
    reason: str = ""
    source: str = ""


class Mapping(_Strict):
    """A whole mapping file; :func:`read_mapping` makes one."""

    schema_version: Literal[1] = Field(alias="schema")
    name: str
    unit: Literal["patient", "stay"]
    title: str = ""
    source: str = ""
    licence: str = ""
    stages: list[str] = []  # drawing order; without it, the order in which variables name them
    tables: dict[Name, TableFile]
    units: Units
    variables: Annotated[list[VariableSpec], Field(min_length=1)]
    rules: list[RuleSpec] = []
    _path: Path = PrivateAttr(default=Path())

    @property
    def path(self) -> Path:
        """The mapping file."""
        return self._path

    @property
    def sha256(self) -> str:
        """Hash of the mapping file."""
        return sha256_file(self._path)

    @property
    def stage_order(self) -> tuple[str, ...]:
        """Stages in drawing order."""
        return tuple(self.stages or dict.fromkeys(v.stage for v in self.variables))

    @property
    def code_sets(self) -> tuple[CodesSpec, ...]:
        """The code sets."""
        return tuple(v for v in self.variables if isinstance(v, CodesSpec))

    @property
    def level_variables(self) -> tuple[CategoricalSpec | NumericSpec, ...]:
        """The variables with one value per unit."""
        return tuple(v for v in self.variables if not isinstance(v, CodesSpec))


MAX_BYTES = 4 << 20


def read_mapping(path: str | Path) -> Mapping:
    """Read and check a mapping file; the tables that it names are not opened.

    Raises
    ------
    MappingError : the file is missing, is not TOML, has an unknown key, or contradicts itself.
    """
    path = Path(path)
    try:
        content = parse_toml(read_at_most(path, MAX_BYTES, MappingError).decode())
    except FileNotFoundError as error:
        raise MappingError("there is no such mapping file; check the path", file=path) from error
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(
            "the mapping file is not readable UTF-8 text; save it as UTF-8", file=path
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"this is not TOML ({error}); mend the line", file=path) from error
    try:
        mapping = Mapping.model_validate(content)
    except ValidationError as error:
        raise _first_fault(error, content, path) from error
    mapping._path = path
    from llmsyn.cohort.contradictions import contradictions  # which knows this module's types

    for problem, key in contradictions(mapping):
        raise MappingError(problem, file=path, key=key)
    return mapping


def _first_fault(error: ValidationError, content: dict[str, Any], path: Path) -> MappingError:
    """The first finding of pydantic as one sentence with its key path."""
    found = complain(error, content, Mapping, str(path))
    return MappingError(found.problem, file=path, key=found.key)
