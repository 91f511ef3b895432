"""A controller plug-in for ros2_control, which claims command and state interfaces by name."""

from __future__ import annotations

import numpy as np

from ...engine import registry
from ...engine.command_limiter import STAY
from ...engine.program import Place
from ..exported import Exported

__all__ = ["files"]

SOURCE = """\
// {n} as a controller of ros2_control. Parameters: command_interfaces, and state_interfaces.INPUT for each input.
// An input without state interfaces gets its numbers from the topic ~/INPUT (std_msgs/msg/Float64MultiArray).
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "controller_interface/controller_interface.hpp"
#include "pluginlib/class_list_macros.hpp"
#include "rclcpp/rclcpp.hpp"
#include "std_msgs/msg/float64_multi_array.hpp"

#include "{n}.h"

namespace {n} {{

using controller_interface::CallbackReturn;
using controller_interface::InterfaceConfiguration;
using Numbers = std_msgs::msg::Float64MultiArray;

// get_optional() of newer releases, else get_value()
template <class One>
auto value_of(const One &one, int) -> decltype(one.get_optional().value()) {{
    return one.get_optional().value_or(std::numeric_limits<double>::quiet_NaN());
}}
template <class One>
double value_of(const One &one, long) {{
    return one.get_value();
}}

struct Input {{
    const char *name;
    size_t size;
    void (*set)({n}_state *, const float *);
}};

static const std::array<Input, {inputs}> INPUTS = {{{{
{table}
}}}};
static const size_t COMMANDS = {commands};
static const std::array<double, {commands}> SAFE{{{{{safe}}}}};  // NaN: the last command stays

class Controller : public controller_interface::ControllerInterface {{
  public:
    CallbackReturn on_init() override {{
        auto_declare<std::vector<std::string>>("command_interfaces", {{}});
        for (const Input &one : INPUTS)
            auto_declare<std::vector<std::string>>(std::string("state_interfaces.") + one.name, {{}});
        return CallbackReturn::SUCCESS;
    }}

    InterfaceConfiguration command_interface_configuration() const override {{
        return {{controller_interface::interface_configuration_type::INDIVIDUAL, names("command_interfaces")}};
    }}

    InterfaceConfiguration state_interface_configuration() const override {{
        std::vector<std::string> all;
        for (const Input &one : INPUTS)
            for (const std::string &name : names(std::string("state_interfaces.") + one.name)) all.push_back(name);
        return {{controller_interface::interface_configuration_type::INDIVIDUAL, all}};
    }}

    CallbackReturn on_configure(const rclcpp_lifecycle::State &) override {{
        if ({n}_selftest_in(&state_) != 0) return refuse("the self-test found other bits than those of the engine");
        // a step of the network is a fixed time: at another rate, the controller would be faster or slower
        if (std::fabs(get_update_rate() * {big}_PERIOD_NS * 1e-9 - 1.0) > 0.01)
            return refuse("update_rate is " + std::to_string(get_update_rate()) + " Hz, must be " +
                          std::to_string(1e9 / {big}_PERIOD_NS));
        const size_t has = names("command_interfaces").size();
        if (has != COMMANDS)
            return refuse("command_interfaces has " + std::to_string(has) + " names, needs " +
                          std::to_string(COMMANDS));
        for (size_t k = 0; k < INPUTS.size(); k++) {{
            const std::string parameter = std::string("state_interfaces.") + INPUTS[k].name;
            claimed_[k] = names(parameter).size();
            if (claimed_[k] != 0 && claimed_[k] != INPUTS[k].size)
                return refuse(parameter + " has " + std::to_string(claimed_[k]) + " names, needs 0 or " +
                              std::to_string(INPUTS[k].size));
            if (claimed_[k] == 0)
                topics_[k] = get_node()->create_subscription<Numbers>(
                    std::string("~/") + INPUTS[k].name, 1, [this, k](const Numbers::SharedPtr message) {{
                        std::lock_guard<std::mutex> lock(mutex_);
                        newest_[k] = *message;
                        arrived_[k] = true;
                    }});
        }}
        return CallbackReturn::SUCCESS;
    }}

    CallbackReturn on_activate(const rclcpp_lifecycle::State &) override {{
        {n}_init(&state_);
        return CallbackReturn::SUCCESS;
    }}

    CallbackReturn on_deactivate(const rclcpp_lifecycle::State &) override {{
        write_safe();
        return CallbackReturn::SUCCESS;
    }}

    CallbackReturn on_error(const rclcpp_lifecycle::State &) override {{
        write_safe();
        return CallbackReturn::SUCCESS;
    }}

    controller_interface::return_type update(const rclcpp::Time &, const rclcpp::Duration &since) override {{
        size_t first = 0;
        for (size_t k = 0; k < INPUTS.size(); k++) {{
            if (claimed_[k] != 0)
                give(k, [this, first](size_t i) {{ return value_of(state_interfaces_[first + i], 0); }});
            else
                take(k);
            first += claimed_[k];
        }}
        {n}_elapsed(&state_, static_cast<int32_t>(since.nanoseconds() * 1000 / {big}_PERIOD_NS));
        {n}_step(&state_);
        size_t at = 0;
{write}
        return controller_interface::return_type::OK;
    }}

  private:
    std::vector<std::string> names(const std::string &parameter) const {{
        return get_node()->get_parameter(parameter).as_string_array();
    }}

    CallbackReturn refuse(const std::string &why) const {{
        RCLCPP_ERROR(get_node()->get_logger(), "{n}: %s", why.c_str());
        return CallbackReturn::ERROR;
    }}

    // At once, without limits of slew: after this, nothing is written any more.
    void write_safe() {{
        for (size_t k = 0; k < command_interfaces_.size() && k < COMMANDS; k++)
            if (!std::isnan(SAFE[k])) static_cast<void>(command_interfaces_[k].set_value(SAFE[k]));
    }}

    template <class Value>
    void give(size_t k, Value value) {{
        std::array<float, {most}> x{{}};
        for (size_t i = 0; i < INPUTS[k].size; i++) x[i] = static_cast<float>(value(i));
        INPUTS[k].set(&state_, x.data());
    }}

    // A message of the topic, unless the thread that receives it holds the lock just now.
    void take(size_t k) {{
        std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
        if (!lock.owns_lock() || !arrived_[k]) return;
        arrived_[k] = false;
        if (newest_[k].data.size() == INPUTS[k].size) give(k, [this, k](size_t i) {{ return newest_[k].data[i]; }});
    }}

    {n}_state state_;
    std::array<size_t, {inputs}> claimed_{{}};
    std::array<rclcpp::Subscription<Numbers>::SharedPtr, {inputs}> topics_;
    std::array<Numbers, {inputs}> newest_;
    std::array<bool, {inputs}> arrived_{{}};
    std::mutex mutex_;
}};

}}  // namespace {n}

PLUGINLIB_EXPORT_CLASS({n}::Controller, controller_interface::ControllerInterface)
"""
CMAKE = """\
cmake_minimum_required(VERSION 3.16)
project({n}_controller LANGUAGES C CXX)
find_package(ament_cmake REQUIRED)
find_package(controller_interface REQUIRED)
find_package(pluginlib REQUIRED)
find_package(std_msgs REQUIRED)
add_library(${{PROJECT_NAME}} SHARED {n}_controller.cpp ../{n}.c ../{n}_selftest.c)
set_target_properties(${{PROJECT_NAME}} PROPERTIES C_STANDARD 99 CXX_STANDARD 17)
target_include_directories(${{PROJECT_NAME}} PRIVATE ..)
ament_target_dependencies(${{PROJECT_NAME}} controller_interface pluginlib std_msgs)
pluginlib_export_plugin_description_file(controller_interface plugin.xml)
install(TARGETS ${{PROJECT_NAME}} LIBRARY DESTINATION lib)
ament_package()
"""
PACKAGE = """\
<?xml version="1.0"?>
<package format="3">
  <name>{n}_controller</name>
  <version>0.0.0</version>
  <description>The controller {n} for ros2_control</description>
  <maintainer email="you@example.org">you</maintainer>
  <license>your own</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <depend>controller_interface</depend>
  <depend>pluginlib</depend>
  <depend>std_msgs</depend>
  <export><build_type>ament_cmake</build_type></export>
</package>
"""
PLUGIN = """\
<library path="{n}_controller">
  <class name="{n}/Controller" type="{n}::Controller" base_class_type="controller_interface::ControllerInterface">
    <description>The controller {n}, exported by snn_control</description>
  </class>
</library>
"""


def _safe(e: Exported) -> np.ndarray:
    """Return the safe commands, (m,) float64; NaN for those that stay at the last command."""
    program = e.program
    guard = next(one for one in program.operations if one.kernel == "guard")
    way = guard.operands[registry.kernel("guard").words.index("way")]
    assert isinstance(way, Place)
    stays = way.view(program.constants) == STAY
    return np.where(stays, np.nan, program.names["safe"].view(program.constants))


def _literal(value: float) -> str:
    return "std::numeric_limits<double>::quiet_NaN()" if np.isnan(value) else repr(float(value))


def files(e: Exported) -> dict[str, str]:
    n = e.name
    values = [one for one in e.inputs if one.facts.kind == "value"]
    table = ",\n".join(f'    Input{{"{one.name}", {one.facts.size}, {n}_set_{one.name}}}' for one in values)
    write = "\n".join(
        f"        for (size_t k = 0; k < {one.size}; k++)\n            static_cast<void>("
        f"command_interfaces_[at++].set_value(static_cast<double>({n}_command_{one.name}(&state_)[k])));"
        for one in e.outputs
    )
    words = {
        "n": n, "big": e.big, "inputs": len(values), "table": table, "write": write,
        "commands": sum(one.size for one in e.outputs), "safe": ", ".join(map(_literal, _safe(e))),
        "most": max([1, *(one.facts.size for one in values)]),
    }  # fmt: skip
    return {
        f"ros2_control/{n}_controller.cpp": SOURCE.format(**words),
        "ros2_control/CMakeLists.txt": CMAKE.format(n=n),
        "ros2_control/package.xml": PACKAGE.format(n=n),
        "ros2_control/plugin.xml": PLUGIN.format(n=n),
    }
