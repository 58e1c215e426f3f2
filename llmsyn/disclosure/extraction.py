"""``extract = disclose(measure(read(mapping)))``, with the risk that goes with it.

The exact measurement lives in memory only; what is returned may leave the house.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from llmsyn.cohort.mapping import Mapping
from llmsyn.cohort.types import Cohort
from llmsyn.disclosure.budget import Plan, codes_that_fit, fit_budget
from llmsyn.disclosure.register import Register
from llmsyn.disclosure.release import Release, disclose
from llmsyn.disclosure.risk import WARN_ABOVE, Correlation, Risk
from llmsyn.disclosure.settings import Settings
from llmsyn.disclosure.statistics import Statistics, statistics_of
from llmsyn.errors import InfeasibleError
from llmsyn.measurement.counting import Measurement, measure
from llmsyn.measurement.designing import DesignSettings, design
from llmsyn.profile.types import Provenance


@dataclass(frozen=True, eq=False)
class Extraction:
    """A release with the predicted risk of what it prints, and how the tables were chosen."""

    release: Release
    risk: Risk
    plan: Plan

    @property
    def warning(self) -> str | None:
        """What to tell the officer about the risk, None when it is low."""
        if self.risk.auc <= WARN_ABOVE:
            return None
        return (
            f"predicted membership AUC {self.risk.auc:.3f} is above {WARN_ABOVE}: "
            f"{self.risk.m_eff:,.0f} independent statistics of {self.risk.n_patients:,} patients; "
            "publish fewer tables (--max-membership-auc), or add noise (--epsilon)"
        )


def extract(
    batches: Sequence[Cohort],
    mapping: Mapping,
    settings: Settings,
    register: Register | None = None,
    *,
    provenance: Provenance | None = None,
) -> Extraction:
    """Design, measure, choose and disclose.

    Parameters
    ----------
    batches : the real cohort; no patient in two of them.
    mapping : how it was read; names, stages and roles come from it.
    settings : threshold, rounding, tables, risk limit.
    register : earlier releases to check against; nothing is added to it.
    provenance : replaces source, licence and date of the profile.

    Raises
    ------
    InfeasibleError : the risk limit does not even allow the margins.
    CheckFailed : see :func:`llmsyn.disclosure.release.disclose`.
    """
    asked = DesignSettings(threshold=settings.threshold, tables=settings.tables)
    measured, statistics, plan = _plan(batches, mapping, settings, asked)
    if not plan.fits and settings.max_membership_auc is not None:
        most = codes_that_fit(measured.profile, statistics, settings.max_membership_auc)
        if most:
            measured, statistics, plan = _plan(
                batches, mapping, settings, replace(asked, max_codes=most)
            )
            plan = replace(
                plan,
                left_out=(f"codes: only the {most} most frequent of each list", *plan.left_out),
            )
    if not plan.fits:
        raise InfeasibleError(
            f"the margins alone give a predicted membership AUC of {plan.risk.auc:.3f}, above "
            f"{settings.max_membership_auc:g}; {plan.risk.n_patients:,} patients are too few for "
            "so many variables: measure fewer, raise the limit, or add noise (--epsilon)"
        )
    release = disclose(measured, settings, register, withheld=plan.withheld, left_out=plan.left_out)
    risk = Correlation.of(statistics.values).risk(statistics.printed_by(release.profile))
    release = release.with_risk(risk)
    given = provenance or replace(release.profile.provenance, kind="extract")
    signed = replace(given, released=given.released or release.date)
    profile = replace(release.profile, provenance=signed)
    return Extraction(replace(release, profile=profile), risk, plan)


def _plan(
    batches: Sequence[Cohort], mapping: Mapping, settings: Settings, asked: DesignSettings
) -> tuple[Measurement, Statistics, Plan]:
    measured = measure(batches, design(batches, mapping, asked))
    statistics = statistics_of(batches, measured.profile, measured.patients, settings.threshold)
    return measured, statistics, fit_budget(measured.profile, statistics, settings)
