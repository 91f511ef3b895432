#pragma once
#include <stddef.h>
typedef struct {
  struct { int none; } layout;
  struct { float *data; size_t size, capacity; } data;
} std_msgs__msg__Float32MultiArray;
