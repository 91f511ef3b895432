#pragma once
#include <rclc/rclc.h>
typedef struct { int none; } rclc_executor_t;
typedef enum { ON_NEW_DATA, ALWAYS } rclc_executor_handle_invocation_t;
rclc_executor_t rclc_executor_get_zero_initialized_executor(void);
rcl_ret_t rclc_executor_init(rclc_executor_t *executor, rcl_context_t *context, const size_t handles,
                             const rcl_allocator_t *allocator);
rcl_ret_t rclc_executor_add_timer(rclc_executor_t *executor, rcl_timer_t *timer);
rcl_ret_t rclc_executor_add_subscription(rclc_executor_t *executor, rcl_subscription_t *subscription, void *message,
                                         void (*callback)(const void *), rclc_executor_handle_invocation_t when);
rcl_ret_t rclc_executor_spin(rclc_executor_t *executor);
