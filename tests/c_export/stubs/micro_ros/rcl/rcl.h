/* The part of rcl that the shell uses. */
#pragma once
#include <stddef.h>
#include <stdint.h>
typedef int32_t rcl_ret_t;
#define RCL_RET_OK 0
typedef struct { int none; } rcl_allocator_t, rcl_node_t, rcl_timer_t, rcl_publisher_t, rcl_subscription_t, rcl_context_t;
typedef struct { int none; } rosidl_message_type_support_t;
rcl_allocator_t rcl_get_default_allocator(void);
rcl_timer_t rcl_get_zero_initialized_timer(void);
rcl_ret_t rcl_publish(const rcl_publisher_t *publisher, const void *message, void *allocation);
#define ROSIDL_GET_MSG_TYPE_SUPPORT(package, folder, name) (package##_##folder##_##name())
const rosidl_message_type_support_t *std_msgs_msg_Float32MultiArray(void);
