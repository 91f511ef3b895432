"""A plug-in of snn_control: the entry point ``snn_control.plugins`` leads to `PLUGIN`."""

from snn_control.engine.lowering import Plugin

from . import kernels, lif_again, oja, quadratic, weber

PLUGIN = Plugin(
    kernels=(kernels.quadratic.quadratic, kernels.weber.weber, kernels.oja.oja, kernels.lif_again.lif_again),
    neurons={
        "quadratic": (quadratic.Quadratic, quadratic.LOWERING),
        "lif_again": (lif_again.LifAgain, lif_again.LOWERING),
    },
    encoders={"weber": (weber.WeberEncoder, weber.LOWERING)},
    rules={"oja": (oja.Oja, oja.lowering)},
    companions={
        "reference": "snn_control_example.references:REFERENCES",
        "c": "snn_control_example.c_sources:C",
    },
)
