"""What the operands of each kernel must be: checked once, when a Program is bound.

A check has the parameters of its kernel's row, in the order that the kernel's docstring gives, so that a row of
another length cannot pass. It gets plain numbers for numbers and `Array` for places, and calls ``need`` with how many
elements the kernel will touch. What a kernel finds in connectivity (row pointers, targets) is checked here too.
"""

from . import delivery, filters, inputs, neurons, outputs, plasticity
from .array import (
    Array,
    apart,
    clocked,
    flag,
    followed,
    graded,
    need,
    once,
    pointers_of,
    positive,
    present,
    ring,
    written,
)
from .neurons import check_spiking

__all__ = [
    "CHECKS",
    "Array",
    "apart",
    "check_spiking",
    "clocked",
    "flag",
    "followed",
    "graded",
    "need",
    "once",
    "pointers_of",
    "positive",
    "present",
    "ring",
    "written",
]

CHECKS = inputs.CHECKS | filters.CHECKS | delivery.CHECKS | neurons.CHECKS | outputs.CHECKS | plasticity.CHECKS
