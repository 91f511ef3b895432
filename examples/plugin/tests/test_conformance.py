"""Every kernel of the package gives the bits of its slow twin: the test that snn_control's own kernels pass."""

import pytest
from snn_control_example import PLUGIN
from snn_control_example.twins import TWINS

from snn_control.testing import check_kernel


@pytest.mark.parametrize("name", [one.name for one in PLUGIN.kernels])
def test_a_kernel_agrees_with_its_twin_to_the_bit(name):
    check_kernel(name, TWINS)
