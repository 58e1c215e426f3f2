"""The learners of evaluation: XGBoost with fixed settings, and a tuned ceiling."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from llmsyn.evaluation.intervals import auc

Matrix: TypeAlias = npt.NDArray[np.float32]
Labels: TypeAlias = npt.NDArray[np.int64]
Predict: TypeAlias = Callable[[Matrix], npt.NDArray[np.float64]]

XGBOOST: dict[str, Any] = {
    "objective": "binary:logistic",
    "eta": 0.05,
    "max_depth": 4,
    "min_child_weight": 5,
    "subsample": 0.8,
    "colsample_bytree": 0.5,
    "lambda": 1.0,
    "tree_method": "hist",
    "max_bin": 64,
}
"""Settings of every XGBoost model that is not tuned; chosen once, before any result."""

N_ROUNDS = 200

GRID = ({"max_depth": 2, "eta": 0.1}, {"max_depth": 4}, {"max_depth": 6, "min_child_weight": 20})
"""What tuning tries, each with the number of rounds that cross-validation finds."""

PENALTIES = (0.001, 0.01, 0.1)
"""Inverse strengths of the ridge penalty that tuning tries."""

MOST_ROUNDS, PATIENCE, N_FOLDS = 600, 30, 4


def fit_booster(
    x: Matrix, y: Labels, *, seed: int, n_rounds: int = N_ROUNDS, **changed: Any
) -> Any:
    """An XGBoost model with the fixed settings."""
    import xgboost

    settings = {**XGBOOST, **changed, "seed": seed}
    return xgboost.train(settings, xgboost.DMatrix(x, y), num_boost_round=n_rounds)


def predict_with(booster: Any) -> Predict:
    """A model as a function from rows to probabilities."""
    import xgboost

    def predict(rows: Matrix) -> npt.NDArray[np.float64]:
        return np.asarray(booster.predict(xgboost.DMatrix(rows)), dtype=np.float64)

    return predict


def fit_xgboost(
    x: Matrix, y: Labels, *, seed: int, n_rounds: int = N_ROUNDS, **changed: Any
) -> Predict:
    """XGBoost with the fixed settings; returns the model as a function."""
    return predict_with(fit_booster(x, y, seed=seed, n_rounds=n_rounds, **changed))


def gain(booster: Any, n_features: int) -> npt.NDArray[np.float64]:
    """``(n_features,)`` total gain of the splits on each feature; 0 where there is none."""
    found = np.zeros(n_features)
    for name, value in booster.get_score(importance_type="total_gain").items():
        found[int(name[1:])] = float(value)
    return found


def fit_logistic(x: Matrix, y: Labels, *, c: float) -> Predict:
    """Ridge logistic regression on standardised columns; missing values become the mean.

    A column without any value, or with one value alone, says nothing and gets no weight.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    known = ~np.isnan(x)
    n = np.maximum(known.sum(0), 1)
    centre = np.where(known, x, 0).sum(0, dtype=float) / n
    scale = np.sqrt(np.where(known, (x - centre) ** 2, 0).sum(0, dtype=float) / n)
    scale = np.where(scale > 1e-9, scale, np.inf)

    def ready(rows: Matrix) -> Matrix:
        standard = np.nan_to_num((rows - centre) / scale, copy=False)
        return np.asarray(standard, dtype=np.float32)

    with warnings.catch_warnings():
        # Of a ridge penalty after 300 steps the last digits are open, not the ranking.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=c, max_iter=300, tol=1e-3).fit(ready(x), y)

    def predict(rows: Matrix) -> npt.NDArray[np.float64]:
        odds = np.asarray(model.decision_function(ready(rows)), dtype=np.float64)
        return np.asarray(1 / (1 + np.exp(-odds)))

    return predict


def fit_setting(x: Matrix, y: Labels, setting: Mapping[str, Any], *, seed: int) -> Predict:
    """A learner that tuning has chosen, on other rows.

    Parameters
    ----------
    setting : ``learner`` (``xgboost`` or ``logistic``) and its settings.
    """
    own = {k: v for k, v in setting.items() if k not in ("learner", "cross_validated_auc")}
    if setting["learner"] == "logistic":
        return fit_logistic(x, y, **own)
    return fit_xgboost(x, y, seed=seed, **own)


FEW = (
    {"learner": "logistic", "c": 0.01},
    {"learner": "xgboost", "max_depth": 2, "eta": 0.1, "n_rounds": 100},
)
"""What is tried where rows are few; cross-validation chooses."""


def fit_few(x: Matrix, y: Labels, *, seed: int) -> tuple[Predict, dict[str, Any]]:
    """The better of :data:`FEW` by three-fold cross-validation, fitted to all rows.

    Returns
    -------
    The model, and which it is.
    """
    fold = np.random.default_rng(seed).permutation(len(y)) % 3
    best, chosen = -1.0, FEW[0]
    for setting in FEW:
        areas = [
            auc(
                y[fold == k],
                fit_setting(x[fold != k], y[fold != k], setting, seed=seed)(x[fold == k]),
            )
            for k in range(3)
            if 0 < y[fold != k].mean() < 1 and 0 < y[fold == k].mean() < 1
        ]
        if areas and float(np.mean(areas)) > best:
            best, chosen = float(np.mean(areas)), setting
    return fit_setting(x, y, chosen, seed=seed), dict(chosen)


def fit_ceiling(x: Matrix, y: Labels, *, seed: int) -> tuple[Predict, dict[str, Any]]:
    """The better of tuned XGBoost and ridge logistic regression, chosen by cross-validation.

    Returns
    -------
    The model fitted to all rows, and which it is with its cross-validated AUC.
    """
    import xgboost

    fold = np.random.default_rng(seed).integers(0, N_FOLDS, len(y))
    pairs = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(N_FOLDS)]
    tried: list[tuple[float, str, dict[str, Any]]] = []
    for setting in GRID:
        found: Any = xgboost.cv(
            {**XGBOOST, **setting, "seed": seed, "eval_metric": "auc"},
            xgboost.DMatrix(x, y),
            num_boost_round=MOST_ROUNDS,
            folds=pairs,
            early_stopping_rounds=PATIENCE,
            as_pandas=False,
        )
        best: list[float] = list(found["test-auc-mean"])
        tried.append((float(best[-1]), "xgboost", {**setting, "n_rounds": len(best)}))
    for c in PENALTIES:
        folds = [auc(y[b], fit_logistic(x[a], y[a], c=c)(x[b])) for a, b in pairs]
        tried.append((float(np.mean(folds)), "logistic", {"c": c}))
    value, kind, setting = max(tried, key=lambda t: t[0])
    chosen = {"learner": kind, **setting, "cross_validated_auc": round(value, 4)}
    return fit_setting(x, y, chosen, seed=seed), chosen
