"""An out-of-tree controller for the firmware of a Crazyflie (``CONFIG_CONTROLLER_OOT``)."""

from __future__ import annotations

from ..exported import Exported, Input

__all__ = ["files"]

#: inputs whose numbers the firmware has: (name, size) -> C expressions. Angles of the firmware are in degrees
KNOWN = {
    ("attitude", 2): ("state->attitude.roll * RAD", "-state->attitude.pitch * RAD"),
    ("attitude", 3): ("state->attitude.roll * RAD", "-state->attitude.pitch * RAD", "state->attitude.yaw * RAD"),
    ("angular_velocity", 3): tuple(f"sensors->gyro.{axis} * RAD" for axis in "xyz"),
    ("acceleration", 3): tuple(f"sensors->acc.{axis} * 9.81f" for axis in "xyz"),
    ("position", 3): tuple(f"state->position.{axis}" for axis in "xyz"),
    ("velocity", 3): tuple(f"state->velocity.{axis}" for axis in "xyz"),
    ("wanted_attitude", 2): ("setpoint->attitude.roll * RAD", "-setpoint->attitude.pitch * RAD"),
    ("wanted_yaw_rate", 1): ("setpoint->attitudeRate.yaw * RAD",),
    ("wanted_thrust", 1): ("setpoint->thrust / 65535.0f",),
    ("wanted_position", 3): tuple(f"setpoint->position.{axis}" for axis in "xyz"),
}
SOURCE = """\
/* {n} as a controller of a Crazyflie, outside the tree of its firmware. The lines marked EDIT depend on the robot. */
#include <stdbool.h>
#include <stdint.h>

#include "{n}.h"
#include "controller.h"
#include "stabilizer_types.h"

#define RAD 0.017453292519943295f
#define STEPS ((uint32_t)({big}_PERIOD_NS / 1000000)) /* steps of 1 ms of the stabilizer in a period */

static {n}_state s;
static bool passed;

void controllerOutOfTreeInit(void) {{ passed = {n}_selftest_in(&s) == 0; }}

bool controllerOutOfTreeTest(void) {{ return passed; }}

static void give(const setpoint_t *setpoint, const sensorData_t *sensors, const state_t *state) {{
{given}
    (void)setpoint;
    (void)sensors;
    (void)state;
}}

void controllerOutOfTree(control_t *control, const setpoint_t *setpoint, const sensorData_t *sensors,
                         const state_t *state, const stabilizerStep_t step) {{
    if (step % STEPS != 0) return; /* the last commands stay */
    give(setpoint, sensors, state);
    {n}_step(&s);
{taken}
}}
"""
MAKEFILE = """\
# make CRAZYFLIE_BASE=/path/to/crazyflie-firmware
CRAZYFLIE_BASE ?= ../crazyflie-firmware
OOT_CONFIG := $(PWD)/config
EXTRA_CFLAGS += -I$(PWD)/..
include $(CRAZYFLIE_BASE)/tools/make/oot.mk
"""


def _given(e: Exported, one: Input) -> str:
    words = KNOWN.get((one.facts.name, one.facts.size))
    if words is None:
        return f"    /* EDIT: {e.name}_... for the input {one.name}; without samples the commands are the safe ones */"
    return (
        f"    const float {one.name}[{len(words)}] = {{{', '.join(words)}}};\n"
        f"    {e.name}_set_{one.name}(&s, {one.name});"
    )


def _taken(e: Exported) -> list[str]:
    n = e.name
    if len(e.outputs) == 1 and e.outputs[0].size == 4:
        one = e.outputs[0].name
        return [
            "    control->controlMode = controlModeForce; /* four motors, from 0 to 1 */",
            f"    for (int k = 0; k < 4; k++) control->normalizedForces[k] = {n}_command_{one}(&s)[k];",
        ]
    return [
        "    control->controlMode = controlModeForceTorque;",
        "    control->thrustSi = 0.0f; /* EDIT: thrust [N] and torques [N m] of the commands */",
        *(f"    (void){n}_command_{one.name}(&s);" for one in e.outputs),
    ]


def files(e: Exported) -> dict[str, str]:
    given, taken = "\n".join(_given(e, one) for one in e.inputs), "\n".join(_taken(e))
    n = e.name
    return {
        f"crazyflie/src/controller_{n}.c": SOURCE.format(n=n, big=e.big, given=given, taken=taken),
        "crazyflie/Kbuild": "obj-y += src/\n",
        "crazyflie/src/Kbuild": f"obj-y += controller_{n}.o\nobj-y += ../../{n}.o\nobj-y += ../../{n}_selftest.o\n",
        "crazyflie/config": "CONFIG_CONTROLLER_OOT=y\n",
        "crazyflie/Makefile": MAKEFILE,
    }
