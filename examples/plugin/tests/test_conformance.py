"""Every kernel gives the bits of its reference implementation: the test that snn_control's own kernels pass."""

import pytest
from snn_control_example import PLUGIN
from snn_control_example.c_sources import C
from snn_control_example.references import REFERENCES

from snn_control.c_export.conformance import CKernels
from snn_control.testing import check_kernel


@pytest.mark.parametrize("name", [one.name for one in PLUGIN.kernels])
def test_a_kernel_agrees_with_its_reference_to_the_bit(name):
    check_kernel(name, REFERENCES)


@pytest.mark.parametrize("name", C)
def test_a_kernel_in_c_agrees_with_its_reference_to_the_bit(name):
    CKernels([name]).check(name, REFERENCES)
