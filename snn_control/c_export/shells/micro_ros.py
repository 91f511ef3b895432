"""A micro-ROS node: it subscribes to one topic for each value input, and publishes one topic for each output."""

from __future__ import annotations

from ..exported import Exported

__all__ = ["files"]

SOURCE = """\
/* {n} as a micro-ROS node. Start {n}_node in a task of the board, after its transport is set up. Messages are
 * Float32MultiArray; topics are {n}/INPUT and {n}/OUTPUT. {events}*/
#include <rcl/rcl.h>
#include <rclc/executor.h>
#include <rclc/rclc.h>
#include <std_msgs/msg/float32_multi_array.h>

#include "{n}.h"

#define TRY(call) do {{ if ((call) != RCL_RET_OK) return 1; }} while (0)
typedef std_msgs__msg__Float32MultiArray numbers_t;

static {n}_state s;
{memory}

{takes}
static void tick(rcl_timer_t *timer, int64_t since) {{
    (void)timer;
    if (since > 0) {n}_elapsed(&s, (int32_t)(since * 1000 / {big}_PERIOD_NS));
    {n}_step(&s);
{publish}
}}

static numbers_t *prepared(numbers_t *message, float *data, size_t size) {{
    message->data.data = data;
    message->data.size = size;
    message->data.capacity = size;
    return message;
}}

int {n}_node(void);
int {n}_node(void) {{
    static rclc_support_t support;
    static rcl_node_t node;
    static rcl_timer_t timer;
    static rclc_executor_t executor;
{handles}
    rcl_allocator_t allocator = rcl_get_default_allocator();
    if ({n}_selftest_in(&s) != 0) return 2;
    timer = rcl_get_zero_initialized_timer();
    executor = rclc_executor_get_zero_initialized_executor();
    TRY(rclc_support_init(&support, 0, NULL, &allocator));
    TRY(rclc_node_init_default(&node, "{n}", "", &support));
    TRY(rclc_timer_init_default(&timer, &support, (uint64_t){big}_PERIOD_NS, tick));
    TRY(rclc_executor_init(&executor, &support.context, {count}, &allocator));
    TRY(rclc_executor_add_timer(&executor, &timer));
{setup}
    return rclc_executor_spin(&executor) == RCL_RET_OK ? 0 : 1;
}}
"""
TYPE = "ROSIDL_GET_MSG_TYPE_SUPPORT(std_msgs, msg, Float32MultiArray)"


def files(e: Exported) -> dict[str, str]:
    n = e.name
    memory, takes, publish, handles, setup = [], [], [], [], []
    values = [one for one in e.inputs if one.facts.kind == "value"]
    for one in values:
        memory.append(f"static float in_{one.name}[{one.facts.size}];\nstatic numbers_t message_{one.name};")
        takes.append(
            f"static void take_{one.name}(const void *message) {{\n"
            f"    const numbers_t *given = (const numbers_t *)message;\n"
            f"    if (given->data.size == {one.facts.size}) {n}_set_{one.name}(&s, given->data.data);\n}}\n"
        )
        handles.append(f"    static rcl_subscription_t from_{one.name};")
        setup.append(
            f'    TRY(rclc_subscription_init_default(&from_{one.name}, &node, {TYPE}, "{n}/{one.name}"));\n'
            f"    TRY(rclc_executor_add_subscription(&executor, &from_{one.name},\n"
            f"        prepared(&message_{one.name}, in_{one.name}, {one.facts.size}), take_{one.name}, ON_NEW_DATA));"
        )
    for output in e.outputs:
        memory.append(
            f"static rcl_publisher_t to_{output.name};\nstatic float out_{output.name}[{output.size}];\n"
            f"static numbers_t command_{output.name};"
        )
        publish += [
            f"    for (int k = 0; k < {output.size}; k++)",
            f"        out_{output.name}[k] = {n}_command_{output.name}(&s)[k];",
            f"    if (rcl_publish(&to_{output.name}, &command_{output.name}, NULL) != RCL_RET_OK) {n}_stop(&s);",
        ]
        setup.append(
            f"    prepared(&command_{output.name}, out_{output.name}, {output.size});\n"
            f'    TRY(rclc_publisher_init_default(&to_{output.name}, &node, {TYPE}, "{n}/{output.name}"));'
        )
    words = {"memory": memory, "takes": takes, "publish": publish, "handles": handles, "setup": setup}
    cameras = [one.name for one in e.inputs if one.facts.kind == "events"]
    events = " ".join(f"The driver of the camera calls {n}_event_{name}." for name in cameras)
    texts = {key: "\n".join(lines) for key, lines in words.items()}
    source = SOURCE.format(n=n, big=e.big, count=len(values) + 1, events=events + " " * bool(events), **texts)
    return {f"micro_ros/{n}_node.c": source}
