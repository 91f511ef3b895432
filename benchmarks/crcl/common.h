/* What the C controller and the measuring program share: clock, priority, rcl's objects, a JointState as bytes. */
#ifndef CRCL_COMMON_H
#define CRCL_COMMON_H

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <rcl/error_handling.h>
#include <rcl/rcl.h>
#include <rmw/rmw.h>
#include <sensor_msgs/msg/joint_state.h>

#define JOINTS 12
#define PERIOD_NS 1000000LL
#define BUFFER_BYTES 4096

#define CHECK(call)                                                                              \
  do {                                                                                           \
    rcl_ret_t code_ = (call);                                                                    \
    if (code_ != RCL_RET_OK) {                                                                   \
      fprintf(stderr, "%s:%d: code %d: %s\n", __FILE__, __LINE__, (int)code_, rcl_get_error_string().str); \
      _exit(1);                                                                                  \
    }                                                                                            \
  } while (0)

static inline int64_t now_ns(clockid_t clock)
{
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static inline struct timespec timespec_of(int64_t ns)
{
  struct timespec t = {ns / 1000000000LL, ns % 1000000000LL};
  return t;
}

static inline void sleep_until(int64_t deadline)
{
  struct timespec t = timespec_of(deadline);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
  }
}

/* Priority of the calling thread and of threads that it starts; 0: ordinary scheduling. */
static inline void set_priority(int priority)
{
  struct sched_param parameter = {.sched_priority = priority};
  pthread_setschedparam(pthread_self(), priority ? SCHED_FIFO : SCHED_OTHER, &parameter);
}

/* A node with one subscription and one publisher of JointState. */
typedef struct {
  rcl_context_t context;
  rcl_node_t node;
  rcl_subscription_t subscription;
  rcl_publisher_t publisher;
} Ends;

static inline rmw_qos_profile_t qos(int reliable, size_t depth)
{
  rmw_qos_profile_t profile = reliable ? rmw_qos_profile_default : rmw_qos_profile_sensor_data;
  profile.depth = depth;
  return profile;
}

static inline void open_ends(
  Ends * ends, const char * name, const char * from, rmw_qos_profile_t from_qos, const char * to,
  rmw_qos_profile_t to_qos)
{
  rcl_allocator_t allocator = rcl_get_default_allocator();
  rcl_init_options_t init = rcl_get_zero_initialized_init_options();
  CHECK(rcl_init_options_init(&init, allocator));
  ends->context = rcl_get_zero_initialized_context();
  CHECK(rcl_init(0, NULL, &init, &ends->context));
  ends->node = rcl_get_zero_initialized_node();
  rcl_node_options_t node_options = rcl_node_get_default_options();
  node_options.enable_rosout = false;
  CHECK(rcl_node_init(&ends->node, name, "", &ends->context, &node_options));
  const rosidl_message_type_support_t * type = ROSIDL_GET_MSG_TYPE_SUPPORT(sensor_msgs, msg, JointState);
  ends->subscription = rcl_get_zero_initialized_subscription();
  rcl_subscription_options_t in = rcl_subscription_get_default_options();
  in.qos = from_qos;
  CHECK(rcl_subscription_init(&ends->subscription, &ends->node, type, from, &in));
  ends->publisher = rcl_get_zero_initialized_publisher();
  rcl_publisher_options_t out = rcl_publisher_get_default_options();
  out.qos = to_qos;
  CHECK(rcl_publisher_init(&ends->publisher, &ends->node, type, to, &out));
}

static inline void close_ends(Ends * ends)
{
  CHECK(rcl_publisher_fini(&ends->publisher, &ends->node));
  CHECK(rcl_subscription_fini(&ends->subscription, &ends->node));
  CHECK(rcl_node_fini(&ends->node));
  CHECK(rcl_shutdown(&ends->context));
}

static inline rcl_serialized_message_t receive_buffer(void)
{
  rcl_serialized_message_t message = rmw_get_zero_initialized_serialized_message();
  rcutils_allocator_t allocator = rcutils_get_default_allocator();
  CHECK(rmw_serialized_message_init(&message, BUFFER_BYTES, &allocator));
  return message;
}

/* ---- JointState in little-endian CDR: 4 bytes of header, then everything aligned relative to what follows it */

static inline size_t aligned(size_t at, size_t to)
{
  return 4 + (at - 4 + to - 1) / to * to;
}

static inline size_t put_u32(uint8_t * bytes, size_t at, uint32_t value)
{
  at = aligned(at, 4);
  memcpy(bytes + at, &value, 4);
  return at + 4;
}

static inline size_t put_text(uint8_t * bytes, size_t at, const char * text)
{
  uint32_t n = (uint32_t)strlen(text) + 1;
  at = put_u32(bytes, at, n);
  memcpy(bytes + at, text, n);
  return at + n;
}

static inline size_t put_doubles(uint8_t * bytes, size_t at, uint32_t n, size_t * where)
{
  at = put_u32(bytes, at, n);
  if (n > 0) {
    at = aligned(at, 8);
  }
  *where = at;
  return at + 8 * n;
}

/* An outgoing message with its numbers still zero; where = offsets of position, velocity and effort. */
typedef struct {
  uint8_t bytes[BUFFER_BYTES];
  size_t where[3];
  rcl_serialized_message_t message;
} Outgoing;

static inline void make_outgoing(Outgoing * out, int names, const uint32_t counts[3])
{
  memset(out, 0, sizeof *out);
  out->bytes[1] = 1; /* little endian */
  size_t at = put_text(out->bytes, 12, "");
  at = put_u32(out->bytes, at, (uint32_t)names);
  for (int k = 0; k < names; ++k) {
    char text[32];
    snprintf(text, sizeof text, "joint_%02d", k);
    at = put_text(out->bytes, at, text);
  }
  for (int k = 0; k < 3; ++k) {
    at = put_doubles(out->bytes, at, counts[k], &out->where[k]);
  }
  out->message = rmw_get_zero_initialized_serialized_message();
  out->message.buffer = out->bytes;
  out->message.buffer_length = at;
  out->message.buffer_capacity = BUFFER_BYTES;
  out->message.allocator = rcutils_get_default_allocator();
}

static inline void stamp_outgoing(Outgoing * out)
{
  int64_t t = now_ns(CLOCK_REALTIME);
  int32_t seconds = (int32_t)(t / 1000000000LL);
  uint32_t rest = (uint32_t)(t % 1000000000LL);
  memcpy(out->bytes + 4, &seconds, 4);
  memcpy(out->bytes + 8, &rest, 4);
}

/* Read one of position, velocity, effort (0, 1, 2) of n numbers, with all bounds checked; 0 if it was so. */
static inline int get_doubles(const uint8_t * bytes, size_t length, int field, double * values, uint32_t n)
{
  uint32_t count;
  size_t at = 12;
  if (length < 20 || bytes[0] != 0 || bytes[1] != 1) {
    return 1;
  }
#define GET_COUNT()                    \
  do {                                 \
    at = aligned(at, 4);               \
    if (at + 4 > length) return 1;     \
    memcpy(&count, bytes + at, 4);     \
    at += 4;                           \
    if (count > length - at) return 1; \
  } while (0)
  GET_COUNT(); /* frame_id */
  at += count;
  GET_COUNT(); /* name */
  for (uint32_t names = count; names > 0; --names) {
    GET_COUNT();
    at += count;
  }
  for (int k = 0; k <= field; ++k) {
    GET_COUNT();
    if (count > 0) {
      at = aligned(at, 8);
      if (at > length || count > (length - at) / 8) return 1;
    }
    if (k == field) {
      if (count != n) return 1;
      memcpy(values, bytes + at, 8 * n);
    }
    at += 8 * (size_t)count;
  }
#undef GET_COUNT
  return 0;
}

#endif
