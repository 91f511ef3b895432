"""A plug-in of snn_control: what its entry point ``snn_control.plugins`` leads to."""

from snn_control.engine.plugins import Plugin

from . import lif_again, oja, quadratic, weber

PLUGIN = Plugin(
    kernels=(quadratic.KERNEL, weber.KERNEL, oja.KERNEL, lif_again.KERNEL),
    neurons={
        "quadratic": (quadratic.Quadratic, quadratic.FORM),
        "lif_again": (lif_again.LifAgain, lif_again.FORM),
    },
    encoders={"weber": (weber.WeberEncoder, weber.FORM)},
    rules={"oja": (oja.Oja, oja.form)},
    twins="snn_control_example.twins:TWINS",
)
