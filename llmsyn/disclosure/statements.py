r"""What a release states: from the form of a profile to its system of counts.

For a population of n units the statements are

=====================  =====================================================================
complement             j + not j = n, for every level, bin and code
table                  cells along an axis add up to the table without that axis; the four
                       cells of a pair are *i and j*, *i not j*, *j not i*, *neither*
finer and coarser      a cell of a coarse table is the sum of cells of a finer one; tables
                       that overlap agree on their join
nested                 main code j + j but not main = j, in every level that is printed for
                       both; a code + the rest of its category = the category
some code              who has code j has a listed code; who has an unlisted main code has an
                       unlisted code
total                  sum over k of k n_k = sum of prevalences (listed codes), = units x mean
                       (unlisted); sum over k of k (k-1)/2 n_k = sum of all pairs
=====================  =====================================================================

Cells that complete a table but are not printed (complements, *neither*, the labels that a
table leaves out, more codes than a histogram shows) are unknowns like all others: they are
derivable, hence protected.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from llmsyn.disclosure.atoms import Atoms, atoms_of, join, label_atoms
from llmsyn.disclosure.moments import nested_codes, pair_totals, totals
from llmsyn.disclosure.slots import FACETS, Slot, printed
from llmsyn.disclosure.structure import impossible
from llmsyn.disclosure.system import Draft, Grid, IntArray, N, Side, System, Tier
from llmsyn.errors import InputError
from llmsyn.profile.tables import Table
from llmsyn.profile.types import Profile
from llmsyn.profile.variables import UNLISTED, Categorical, CodeSet, Numeric


def statements(*profiles: Profile) -> System:
    """The system of counts of one release, or of several releases of the same population.

    Parameters
    ----------
    profiles : of each, the form is used and not the counts (except to see whether a cell that
        a rule forbids is indeed empty, and whether a code can be nested in another).

    Raises
    ------
    InputError : a table has more than two code axes, or a label that its variable lacks.
    """
    writer = Writer(profiles)
    # The largest form first: what others print of it are cells of its tables.
    for release in sorted(range(len(profiles)), key=lambda i: -_size(profiles[i])):
        writer.add(release)
    writer.nest_main()
    for grid in writer.all_grids():
        writer.draft.structural += impossible(grid, profiles[0])
    for slot, ids in writer.slots[0].items():
        found = printed(profiles[0], slot)
        writer.occupied.append(ids[(found > 0) & (ids >= 0)])
    taken = np.concatenate(writer.occupied)
    writer.draft.structural = [np.setdiff1d(ids, taken) for ids in writer.draft.structural]
    return writer.draft.finish(writer.slots, writer.means, writer.code_axes, writer.all_grids())


def _size(profile: Profile) -> int:
    return sum(table.counts.size for table in profile.tables)


class Writer:
    """Writes the statements of one release after the other into one draft."""

    def __init__(self, profiles: Sequence[Profile]) -> None:
        self.profiles = profiles
        self.draft = Draft()
        self.draft.price(self.draft.new((1,), lambda _: "all units"), Tier.TOTAL)
        self.grids: dict[tuple[tuple[str, ...], frozenset[str]], list[Grid]] = defaultdict(list)
        self.slots: list[dict[Slot, IntArray]] = [{} for _ in profiles]
        self.means: list[dict[int, int]] = [{} for _ in profiles]
        self.code_axes: list[dict[Slot, int]] = [{} for _ in profiles]
        self.occupied: list[IntArray] = [np.empty(0, dtype=np.int64)]
        self._made: dict[tuple[object, ...], int] = {}
        self._atoms: dict[tuple[str, int], Atoms] = {}

    def all_grids(self) -> list[Grid]:
        """Every grid so far."""
        return [grid for grids in self.grids.values() for grid in grids]

    def once(self, key: tuple[object, ...], write: Callable[[], int]) -> int:
        """Write a statement unless a release before it made the same one; its unknown."""
        if key not in self._made:
            self._made[key] = write()
        return self._made[key]

    def add(self, release: int) -> None:
        """Add one release: its margins, then its tables, fewest axes first."""
        profile = self.profiles[release]
        for i, variable in enumerate(profile.variables):
            if isinstance(variable, CodeSet):
                self._code_set(release, i, variable)
            else:
                self._levels(release, i, variable)
        order = sorted(range(len(profile.tables)), key=lambda i: len(profile.tables[i].axes))
        for i in order:
            self._table(release, i, profile.tables[i])
        pair_totals(self, release)

    def atoms(self, variable: str, release: int) -> Atoms:
        """Atoms of a variable as one release names it."""
        if (variable, release) not in self._atoms:
            self._atoms[variable, release] = atoms_of(variable, self.profiles, release)
        return self._atoms[variable, release]

    def side(self, variable: str, labels: Sequence[str], release: int) -> tuple[Side, IntArray]:
        """The partition that these labels make, and the part that each label is."""
        atoms = self.atoms(variable, release)
        sets = [label_atoms(atoms, label, self.profiles[release]) for label in labels]
        side = atoms.side(labels, sets)
        where = {part: i for i, part in enumerate(side.parts)}
        return side, np.array([where[s] for s in sets], dtype=np.int64)

    # -- margins ---------------------------------------------------------------------------

    def _levels(self, release: int, index: int, variable: Categorical | Numeric) -> None:
        side, at = self.side(variable.name, variable.levels, release)
        ids = self.cells((), ((),), (side,))[0]
        slot = self.slots[release]
        slot[Slot("variable", index)] = ids[at[: len(variable.counts)]]
        if isinstance(variable, Numeric) and variable.has_missing:
            slot[Slot("variable", index, "missing_count")] = ids[at[-1]]
        elif isinstance(variable, Numeric):
            self.draft.structural.append(ids[-1:])  # no value is missing, and it says so
        elif self._everybody_has(variable.name):
            self.draft.structural.append(np.setdiff1d(ids, ids[at]))
        self.draft.price(ids[at], Tier.MARGIN)

    def _everybody_has(self, name: str) -> bool:
        """Whether the levels of a variable are those of all units; so they are, if not proven.

        A cohort that is measured in the form of another profile may have other levels.
        """
        for profile in self.profiles:
            for variable in profile.variables:
                if variable.name == name and isinstance(variable, Categorical):
                    most = float(np.sum(variable.counts + variable.half_width))  # NaN if any is
                    if most < profile.n_units - 0.5:
                        return False
        return True

    def _code_set(self, release: int, index: int, codes: CodeSet) -> None:
        slot = self.slots[release]
        ids = self.cells((codes.name,), tuple((c,) for c in codes.codes), ())
        slot[Slot("variable", index)] = ids[:, 0]
        self.draft.price(ids[:, 0], Tier.CODE)
        if codes.main is not None:
            labels = (*codes.codes, UNLISTED)
            side, at = self.side(f"{codes.name}.main", labels, release)
            main = self.cells((), ((),), (side,))[0][at]
            slot[Slot("variable", index, "main")] = main[:-1]
            self.draft.price(main[:-1], Tier.MAIN)
            if codes.main_unlisted is not None:
                slot[Slot("variable", index, "main_unlisted")] = main[-1]
                self.draft.price(main[-1:], Tier.MAIN)
        for part, facet in FACETS.items():
            histogram = getattr(codes, part)
            if histogram is not None:
                labels = tuple(map(str, range(len(histogram))))
                side, at = self.side(f"{codes.name}.{facet}", labels, release)
                slot[Slot("variable", index, part)] = self.cells((), ((),), (side,))[0][at]
                self.draft.price(slot[Slot("variable", index, part)], Tier.HISTOGRAM)
        totals(self, release, index, codes)
        nested_codes(self, codes, ids[:, 0])

    # -- tables ----------------------------------------------------------------------------

    def _table(self, release: int, index: int, table: Table) -> None:
        profile = self.profiles[release]
        sets = {v.name for v in profile.code_sets}
        code_axes = [i for i, axis in enumerate(table.axes) if axis.variable in sets]
        code_axes.sort(key=lambda i: table.axes[i].variable)
        if len(code_axes) > 2:
            raise InputError(
                f"table {table.name} has {len(code_axes)} code axes and at most two can be "
                "protected; remove the table",
                key=f"tables[{index}]",
            )
        others = [i for i in range(len(table.axes)) if i not in code_axes]
        try:
            made = {
                i: self.side(table.axes[i].variable, table.axes[i].labels, release) for i in others
            }
        except ValueError as error:
            raise InputError(f"{error}; correct the table", key=f"tables[{index}]") from error
        others.sort(key=lambda i: made[i][0].variable)
        sides = tuple(made[i][0] for i in others)
        names = tuple(table.axes[i].variable for i in code_axes)
        lists = [table.axes[i].labels for i in code_axes]
        rows = list(product(*map(range, map(len, lists))))
        labels = [tuple(lists[a][i] for a, i in enumerate(row)) for row in rows]
        if table.is_pairs:
            keep = [k for k, row in enumerate(labels) if row[0] != row[1]]
            labels = [tuple(sorted(labels[k])) for k in keep]
            rows = [rows[k] for k in keep]
        stack = tuple(dict.fromkeys(labels))
        ids = self.cells(names, stack, sides)
        has = _parts(_having(ids, len(names)), [made[i][1] for i in others])
        where = {row: i for i, row in enumerate(stack)}
        shape = [len(table.axes[i].labels) for i in (*code_axes, *others)]
        full = np.full(shape, -1, dtype=np.int64)
        for row, label in zip(rows, labels):
            full[row] = has[where[label]]
        axis_order = np.argsort([*code_axes, *others])
        self.slots[release][Slot("table", index)] = np.ascontiguousarray(full.transpose(axis_order))
        if len(code_axes) == 1:
            self.code_axes[release][Slot("table", index)] = code_axes[0]
        tier = Tier.PAIR if len(code_axes) == 2 else Tier.TABLE
        if len(table.axes) == 2 and not code_axes:
            tier = Tier.LEVELS
        self.draft.price(full[full >= 0], tier)

    def cells(
        self, codes: tuple[str, ...], stack: Sequence[tuple[str, ...]], sides: tuple[Side, ...]
    ) -> IntArray:
        """Unknowns of a complete table; made, and tied to its margins, when they are new.

        Returns
        -------
        (n_stack, 2, ..., n_parts, ...)
        """
        if not codes and not sides:
            return np.full(len(stack), N, dtype=np.int64)
        peers = self.grids[codes, frozenset(s.variable for s in sides)]
        for grid in peers:
            if grid.sides == sides and all(row in grid.rows for row in stack):
                return grid.ids[[grid.rows[row] for row in stack]]
        distinct = tuple(dict.fromkeys(stack))
        shape = (len(distinct), *(2 for _ in codes), *(len(s.parts) for s in sides))
        grid = Grid(codes, distinct, sides, np.empty(0, dtype=np.int64))
        grid = Grid(codes, distinct, sides, self.draft.new(shape, grid.name))
        for other in peers:
            self._agree(grid, other)
        peers.append(grid)
        self._add_up(grid)
        return grid.ids[[grid.rows[row] for row in stack]]

    def _add_up(self, grid: Grid) -> None:
        """Sums along every axis.

        *Has not* cells of earlier code axes are left out: those sums follow from the others,
        and without them pairs and code tables have no cycles, so their bounds need no linear
        program.
        """
        n_codes = len(grid.codes)
        for axis in range(n_codes + len(grid.sides)):
            if axis < n_codes:
                codes = tuple(c for i, c in enumerate(grid.codes) if i != axis)
                stack = [tuple(x for i, x in enumerate(r) if i != axis) for r in grid.stack]
                sides = grid.sides
            else:
                codes, stack = grid.codes, list(grid.stack)
                sides = tuple(s for i, s in enumerate(grid.sides) if i != axis - n_codes)
            total = self.cells(codes, stack, sides)
            parts = np.moveaxis(grid.ids, 1 + axis, -1)
            for earlier in range(min(axis, n_codes)):
                total = np.take(total, [0], axis=1 + earlier)
                parts = np.take(parts, [0], axis=1 + earlier)
            self.draft.sums(parts, total)

    def _agree(self, one: Grid, two: Grid) -> None:
        """Two tables of the same variables agree on the join of their labels."""
        shared = [row for row in one.stack if row in two.rows]
        if not shared:
            return
        left = _having(one.ids[[one.rows[r] for r in shared]], len(one.codes))
        right = _having(two.ids[[two.rows[r] for r in shared]], len(two.codes))
        for groups in product(*(join(a, b) for a, b in zip(one.sides, two.sides))):
            a = _parts(left, [group[0] for group in groups]).reshape(len(shared), -1)
            b = _parts(right, [group[1] for group in groups]).reshape(len(shared), -1)
            signs = np.concatenate([np.ones(a.shape[1]), -np.ones(b.shape[1])])
            plain = a.shape[1] == 1 or b.shape[1] == 1
            if a.shape[1] == 1:
                a, b, signs = b, a, np.concatenate([np.ones(b.shape[1]), -np.ones(1)])
            self.draft.equations(np.concatenate([a, b], axis=1), signs, plain=plain)

    # -- across grids ----------------------------------------------------------------------

    def nest_main(self) -> None:
        """Main code j is part of code j, overall and within every level printed for both."""
        for grid in self.all_grids():
            for k, side in enumerate(grid.sides):
                plain, dot, facet = side.variable.partition(".")
                if not dot or facet != "main" or grid.codes:
                    continue
                others = tuple(s for s in grid.sides if s is not side)
                for peer in self.grids.get(((plain,), frozenset(s.variable for s in others)), []):
                    if peer.sides == others:
                        self._nest(grid, k, side, peer)

    def _nest(self, main: Grid, axis: int, side: Side, codes: Grid) -> None:
        single = [(i, min(p)) for i, p in enumerate(side.parts) if len(p) == 1]
        pairs = [(i, codes.rows[(code,)]) for i, code in single if (code,) in codes.rows]
        if not pairs:
            return
        inner = np.moveaxis(main.ids[0], axis, 0)[[i for i, _ in pairs]]
        outer = codes.ids[[row for _, row in pairs], 0]
        name = codes.name
        rows = [row for _, row in pairs]
        rest = self.draft.new(
            inner.shape, lambda index: name((rows[index[0]], 0, *index[1:])) + ", but not main"
        )
        self.draft.sums(np.stack([inner, rest], axis=-1), outer)


def _having(ids: IntArray, n_codes: int) -> IntArray:
    """Cells of units that have every code: (n_stack, 2, ..., n_parts, ...) loses its 2s."""
    for _ in range(n_codes):
        ids = ids[:, 0]
    return ids


def _parts(ids: IntArray, at: Sequence[IntArray | list[int]]) -> IntArray:
    """Some parts of each side: (n_stack, n_parts, ...) to (n_stack, len(at[0]), ...)."""
    for axis, parts in enumerate(at, start=1):
        ids = np.take(ids, parts, axis=axis)
    return ids
