"""What happened around a fault, saved by itself: some seconds before it and after it began."""

from __future__ import annotations

import time
from typing import Any

__all__ = ["FaultRecords"]

MOST = 20  # files of one activation: a fault that comes again and again must not fill the disk


class FaultRecords:
    """Watches the faults of a controller node that records, and lets it save what it keeps of them."""

    def __init__(self, node: Any) -> None:
        self._node, self._seen, self._begun, self._saved = node, 0, 0.0, 0
        node.steady_timer(0.05, self._look)

    def _look(self) -> None:
        node = self._node
        if node.faults is None or node.loop is None or not node.loop.running:
            self._seen = 0 if node.faults is None else node.faults.total
            self._begun, self._saved = 0.0, 0
            return
        total, now = node.faults.total, time.monotonic()
        if total > self._seen and not self._begun:
            self._begun = now
        if self._begun and now >= self._begun + node.given.fault_after:
            self._save(now - self._begun + node.given.fault_before)
            self._begun, self._seen = 0.0, total  # later faults are in the same file

    def _save(self, seconds: float) -> None:
        log = self._node.get_logger()
        if self._saved >= MOST:
            if self._saved == MOST:
                log.warning(f"faults are not saved any more: {MOST} files of this activation are there")
            self._saved = MOST + 1
            return
        self._saved += 1
        try:
            log.info(f"a fault is saved: {self._node.snapshot(seconds)}")
        except OSError as error:
            log.error(f"record = {self._node.record}: a fault cannot be saved: {error.strerror}")
