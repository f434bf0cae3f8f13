"""A conditional density learned from simulations: which numbers go with which observations."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import numpy as np
import torch

_SUMMARY_ROWS = 20  # simulations for each feature of a regression with squares
_EDGE = 0.02  # of the unit box: summaries that come nearer are as if there
_TAIL = 5.0  # spreads from the middle at which observations begin to be counted by their logarithm


class Learned:
    """``q(units | observations)``, fitted to pairs ``units [n, P]``, ``seen [n, rows]``; the same seed, the same fit.

    Raises
    ------
    ImportError
        If ``sbi`` is not installed.
    ValueError
        If no observation differs between simulations.
    """

    def __init__(self, units: np.ndarray, seen: np.ndarray, seed: int) -> None:
        self._middle = np.median(seen, 0)
        self._spread = (np.quantile(seen, 0.84, axis=0) - np.quantile(seen, 0.16, axis=0)) / 2
        self._varies = self._spread > 1e-12 * np.maximum(np.abs(self._middle), 1e-300)
        if not self._varies.any():
            raise ValueError("all simulations look the same: what is observed depends on none of the free numbers")
        places, self._squares = 1 / (1 + np.exp(-units)), False
        self._regression = _regression(self._features(seen), places)
        if len(seen) >= _SUMMARY_ROWS * 2 * int(self._varies.sum()):
            self._squares, plain = True, self._regression
            self._regression = _regression(self._features(seen), places)
            if self._regression.best_score_.mean() <= plain.best_score_.mean():
                self._squares, self._regression = False, plain
        middle, width = self._centred(summaries := self._summaries(seen))
        self._left = ((units - middle) / width).std(0)
        self._density = _density((units - middle) / (width * self._left), summaries, seed)

    def sample(self, seen: np.ndarray, count: int, seed: int) -> np.ndarray:
        """Draws ``[n, count, P]`` of the units that go with observations ``[n, rows]``."""
        summaries = self._summaries(seen)
        with _seeded(seed), torch.no_grad():
            drawn = self._density.sample((count,), condition=_float(summaries))
        middle, width = self._centred(summaries)
        return middle[:, None] + width[:, None] * self._left * drawn.transpose(0, 1).numpy().astype(float)

    def _centred(self, summaries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the units of summaries ``[n, P]`` about lie, and by how much they move with a place in the unit box."""
        place = np.clip(summaries, _EDGE, 1 - _EDGE)
        return np.log(place / (1 - place)), 1 / (place * (1 - place))

    def _features(self, seen: np.ndarray) -> np.ndarray:
        """Observations ``[n, features]``, in spreads from the middle; where runs are many, squares too."""
        x = (seen[:, self._varies] - self._middle[self._varies]) / self._spread[self._varies]
        x = _TAIL * np.arcsinh(x / _TAIL)
        return np.concatenate([x, x**2], 1) if self._squares else x

    def _summaries(self, seen: np.ndarray) -> np.ndarray:
        return self._regression.predict(self._features(seen)).reshape(len(seen), -1)


def _regression(features: np.ndarray, units: np.ndarray) -> Any:
    """Linear, its ridge chosen by leaving one out."""
    from sklearn.linear_model import RidgeCV

    return RidgeCV(alphas=np.logspace(-3, 4, 15), alpha_per_target=True).fit(features, units)


def _density(units: np.ndarray, summaries: np.ndarray, seed: int) -> Any:
    """A Gaussianisation flow, fitted until held-out simulations get no likelier."""
    with _seeded(seed):
        try:
            from sbi.inference import NPE
            from sbi.neural_nets import posterior_nn
        except ImportError as error:
            raise ImportError("posterior(...) needs sbi: pip install 'mesacosm[inference]'") from error
        build: Any = posterior_nn("zuko_gf", hidden_features=24, num_transforms=2)
        trainer = NPE(density_estimator=build, show_progress_bars=False, tracker=_Silent())
        trainer = trainer.append_simulations(_float(units), _float(summaries))
        batch = int(np.clip(len(units) // 10, 20, 200))
        density = trainer.train(learning_rate=3e-3, training_batch_size=batch)
    density.eval()
    return density


def _float(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x)).to(torch.float32)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Torch's global generator set inside and restored after; what the library warns and prints is not the user's."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.manual_seed(seed % 2**32)
        yield


class _Silent:
    """A tracker that keeps nothing: the default one writes a folder."""

    log_dir: str | None = None

    def log_metric(self, name: str, value: float, step: int | None = None) -> None: ...
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None: ...
    def log_params(self, params: dict[str, Any]) -> None: ...
    def add_figure(self, name: str, figure: Any, step: int | None = None) -> None: ...
    def flush(self) -> None: ...
