"""The learners of evaluation: XGBoost with fixed settings, and a tuned ceiling."""

from __future__ import annotations

from collections.abc import Callable
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


def fit_xgboost(
    x: Matrix, y: Labels, *, seed: int, n_rounds: int = N_ROUNDS, **changed: Any
) -> Predict:
    """XGBoost with the fixed settings; returns the model as a function."""
    import xgboost

    settings = {**XGBOOST, **changed, "seed": seed}
    model = xgboost.train(settings, xgboost.DMatrix(x, y), num_boost_round=n_rounds)
    return lambda rows: model.predict(xgboost.DMatrix(rows)).astype(np.float64)


def fit_logistic(x: Matrix, y: Labels, *, c: float) -> Predict:
    """Ridge logistic regression on standardised columns; missing values become the mean."""
    from sklearn.linear_model import LogisticRegression

    centre, scale = np.nanmean(x, 0), np.nanstd(x, 0)
    scale = np.where(scale > 0, scale, 1.0)

    def ready(rows: Matrix) -> Matrix:
        standard = (rows - centre) / scale
        return np.nan_to_num(standard, copy=False).astype(np.float32, copy=False)

    model = LogisticRegression(C=c, max_iter=300, tol=1e-3).fit(ready(x), y)
    return lambda rows: model.decision_function(ready(rows)).astype(np.float64)


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
        found = xgboost.cv(
            {**XGBOOST, **setting, "seed": seed, "eval_metric": "auc"},
            xgboost.DMatrix(x, y),
            num_boost_round=MOST_ROUNDS,
            folds=pairs,
            early_stopping_rounds=PATIENCE,
            as_pandas=False,
        )
        best = found["test-auc-mean"]
        tried.append((float(best[-1]), "xgboost", {**setting, "n_rounds": len(best)}))
    for c in PENALTIES:
        folds = [auc(y[b], fit_logistic(x[a], y[a], c=c)(x[b])) for a, b in pairs]
        tried.append((float(np.mean(folds)), "logistic", {"c": c}))
    value, kind, setting = max(tried, key=lambda t: t[0])
    made = (
        fit_xgboost(x, y, seed=seed, **setting)
        if kind == "xgboost"
        else fit_logistic(x, y, **setting)
    )
    return made, {"learner": kind, **setting, "cross_validated_auc": round(value, 4)}
