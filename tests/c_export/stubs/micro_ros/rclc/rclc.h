#pragma once
#include <rcl/rcl.h>
typedef struct { rcl_context_t context; } rclc_support_t;
rcl_ret_t rclc_support_init(rclc_support_t *support, int argc, char const *const *argv, rcl_allocator_t *allocator);
rcl_ret_t rclc_node_init_default(rcl_node_t *node, const char *name, const char *space, rclc_support_t *support);
rcl_ret_t rclc_timer_init_default(rcl_timer_t *timer, rclc_support_t *support, const uint64_t timeout_ns,
                                  void (*callback)(rcl_timer_t *, int64_t));
rcl_ret_t rclc_subscription_init_default(rcl_subscription_t *subscription, rcl_node_t *node,
                                         const rosidl_message_type_support_t *type, const char *topic);
rcl_ret_t rclc_publisher_init_default(rcl_publisher_t *publisher, const rcl_node_t *node,
                                      const rosidl_message_type_support_t *type, const char *topic);
