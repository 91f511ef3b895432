"""A search by CMA-ES, saved as the candidates that it gave and the costs that it got (arrays and JSON).

``cma`` can only pickle its state, and a pickle runs code when it is opened. A search is a function of its seed and of
the costs that it was told, so these are saved instead: replaying them takes milliseconds and gives the same bits.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DescriptionError
from ...files import Arrays, reason, replace_file

__all__ = ["Search"]

FORMAT = "snn_control search 1"


class Search:
    """A search that starts at 0 with deviation 1.

    made : what is searched for, plain JSON data, with ``parameters`` (names), ``population`` and ``seed``
    """

    def __init__(self, made: Mapping[str, Any]) -> None:
        import cma

        self.made = json.loads(json.dumps(made, default=str))
        # a private generator, seeded as cma would: other users of the global one must not change the replay
        options = {"popsize": made["population"], "randn": np.random.RandomState(made["seed"]).randn, "seed": np.nan}
        self._strategy = cma.CMAEvolutionStrategy(np.zeros(len(made["parameters"])), 1.0, options | {"verbose": -9})
        self._asked: list[np.ndarray] = []
        self._costs: list[Sequence[float]] = []

    @property
    def generations(self) -> int:
        return len(self._costs)

    @property
    def mean(self) -> np.ndarray:
        """(parameters,) float64, the current best guess."""
        return self._strategy.mean

    def ask(self) -> np.ndarray:
        """(population, parameters) float64, the candidates of the next generation."""
        return np.array(self._strategy.ask())

    def tell(self, candidates: np.ndarray, costs: Sequence[float]) -> None:
        self._strategy.tell(list(candidates), list(costs))
        self._asked.append(candidates)
        self._costs.append(costs)

    def save(self, path: Path) -> None:
        """Write the search as .npz, atomically."""
        arrays = {"format": np.array(FORMAT), "made": np.array(json.dumps(self.made))}
        arrays |= {"candidates": np.array(self._asked), "costs": np.array(self._costs, np.float64)}
        replace_file(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | os.PathLike) -> Search:
        """Read a file written by `save`. Raises FileNotFoundError, and DescriptionError for any other file."""
        try:
            with Arrays(path) as file:
                if str(file["format"]) != FORMAT:
                    raise ValueError(f"its format is {str(file['format'])[:40]!r}")
                made, asked, costs = json.loads(str(file["made"])), file["candidates"], file["costs"]
            shape = (len(costs), int(made["population"]), len(made["parameters"]))
            if asked.shape != shape or costs.shape != shape[:2] or {asked.dtype, costs.dtype} != {np.dtype(float)}:
                raise ValueError("its arrays do not fit together")
            search = cls(made)
        except FileNotFoundError:
            raise
        except Exception as error:  # the file may hold anything, and cma may raise any exception
            rule = f"is not a checkpoint that this version can read ({reason(error)})"
            raise DescriptionError("--run", str(path), rule, "choose another folder") from None
        for candidates, told in zip(asked, costs, strict=True):
            if not np.array_equal(search.ask(), candidates):
                rule = "was made by another release of cma or NumPy, whose search cannot go on here to the same result"
                raise DescriptionError("--run", str(path), rule, "choose another folder")
            search.tell(candidates, told.tolist())
        return search
