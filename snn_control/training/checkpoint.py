"""A search of CMA-ES as what was asked and answered: written as arrays and JSON, and run again from its seed.

``cma`` can only pickle its state, and a pickle runs code when it is opened. But a search is a function of its seed and
of the costs that it was told, so these are kept: replaying them takes milliseconds and leads to the same bits.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DescriptionError
from ..files import Arrays, reason, replace_file

__all__ = ["Search"]

FORMAT = "snn_control search 1"


class Search:
    """A search from 0 with deviation 1.

    made : what it is of, plain JSON data; ``parameters`` (names), ``population`` and ``seed`` among them
    """

    def __init__(self, made: Mapping[str, Any]) -> None:
        import cma

        self.made = json.loads(json.dumps(made, default=str))
        # a generator of its own with the numbers of cma's seed: nobody else's draws can part the two
        options = {"popsize": made["population"], "randn": np.random.RandomState(made["seed"]).randn, "seed": np.nan}
        self._strategy = cma.CMAEvolutionStrategy(np.zeros(len(made["parameters"])), 1.0, options | {"verbose": -9})
        self._asked: list[np.ndarray] = []
        self._costs: list[Sequence[float]] = []

    @property
    def generations(self) -> int:
        return len(self._costs)

    @property
    def mean(self) -> np.ndarray:
        """(parameters,) float64, the best guess."""
        return self._strategy.mean

    def ask(self) -> np.ndarray:
        """(population, parameters) float64, the next generation's candidates."""
        return np.array(self._strategy.ask())

    def tell(self, candidates: np.ndarray, costs: Sequence[float]) -> None:
        self._strategy.tell(list(candidates), list(costs))
        self._asked.append(candidates)
        self._costs.append(costs)

    def save(self, path: Path) -> None:
        """Write .npz, whole or not at all."""
        arrays = {
            "format": np.array(FORMAT),
            "made": np.array(json.dumps(self.made)),
            "candidates": np.array(self._asked),
            "costs": np.array(self._costs, np.float64),
        }
        replace_file(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | os.PathLike) -> Search:
        """Of a file that `save` wrote. Raises FileNotFoundError, and DescriptionError for any other file."""
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
        except Exception as error:  # what stands in it is a stranger's, and cma raises what it likes
            rule = f"is not a checkpoint that this version can read ({reason(error)})"
            raise DescriptionError("--run", str(path), rule, "choose another folder") from None
        for candidates, told in zip(asked, costs, strict=True):
            if not np.array_equal(search.ask(), candidates):
                rule = "was made by another release of cma or NumPy, whose search cannot go on here to the same result"
                raise DescriptionError("--run", str(path), rule, "choose another folder")
            search.tell(candidates, told.tolist())
        return search
