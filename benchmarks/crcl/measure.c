/* The robot's side: publishes numbered JointStates at 1 kHz, receives the commands that carry the number back.

   A number's latency is the time from just before it was published to when the first command with it was taken.
   It starts once both directions have matched and the first command has come. */
#include "common.h"

#define MOST (1 << 20) /* numbers: exact in float32, which a controller may compute in */
#define GAIN -20.0
#define TOLERANCE 1e-4

static Ends ends;
static sem_t arrived;
static volatile int stopping;
static int64_t sent_at[MOST];
static volatile int64_t window_begin = INT64_MAX, window_end = INT64_MAX;
static volatile int64_t newest;
static int64_t * latencies;
static int64_t capacity, fresh, commands, wrong, largest_gap, gaps_10_ms, last_fresh;

static double position_of(int joint)
{
  return 0.01 * joint;
}

static void gap_until(int64_t now)
{
  int64_t gap = now - (last_fresh > window_begin ? last_fresh : window_begin);
  largest_gap = gap > largest_gap ? gap : largest_gap;
  gaps_10_ms += gap > 10 * PERIOD_NS;
}

static void count(const double * command, int64_t now)
{
  int64_t number = (int64_t)command[0];
  if ((double)number != command[0] || number < 0 || number >= MOST) {
    wrong++;
    return;
  }
  int inside = now >= window_begin && now < window_end;
  commands += inside;
  if (number <= newest) {
    return;
  }
  newest = number;
  for (int k = 1; k < JOINTS; ++k) {
    double error = command[k] - GAIN * position_of(k);
    if (!(error < TOLERANCE && error > -TOLERANCE)) {
      wrong++;
      return;
    }
  }
  if (inside) {
    gap_until(now);
    if (fresh < capacity) {
      latencies[fresh++] = now - sent_at[number];
    }
  }
  last_fresh = now;
}

static void * receive(void * argument)
{
  (void)argument;
  set_priority(90);
  rcl_serialized_message_t message = receive_buffer();
  rmw_message_info_t info;
  double command[JOINTS];
  while (!stopping) {
    struct timespec until = timespec_of(now_ns(CLOCK_MONOTONIC) + 100 * PERIOD_NS);
    if (sem_clockwait(&arrived, CLOCK_MONOTONIC, &until) != 0) {
      continue;
    }
    while (rcl_take_serialized_message(&ends.subscription, &message, &info, NULL) == RCL_RET_OK) {
      int64_t now = now_ns(CLOCK_MONOTONIC);
      if (get_doubles(message.buffer, message.buffer_length, 2, command, JOINTS) == 0) {
        count(command, now);
      } else {
        wrong++;
      }
    }
    rcl_reset_error();
  }
  CHECK(rmw_serialized_message_fini(&message));
  return NULL;
}

static int matched(void)
{
  size_t readers = 0, writers = 0;
  CHECK(rcl_publisher_get_subscription_count(&ends.publisher, &readers));
  CHECK(rcl_subscription_get_publisher_count(&ends.subscription, &writers));
  return readers > 0 && writers > 0;
}

/* found = fresh commands, all commands, wrong ones, largest gap [ns], gaps > 10 ms, sensor messages sent, sent late.
   latency_ns has room for n. 0: measured; 2: nobody matched within timeout_s; 3: no command came. */
int measure_run(
  const char * sensor, const char * command, double settle_s, double seconds, double timeout_s, int64_t * latency_ns,
  int64_t n, int64_t * found)
{
  latencies = latency_ns;
  capacity = n;
  sem_init(&arrived, 0, 0);
  memset(sent_at, 0, sizeof sent_at);
  mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
  set_priority(70);
  open_ends(&ends, "measuring", command, qos(1, 10), sensor, qos(0, 5));
  CHECK(rcl_subscription_set_on_new_message_callback(
    &ends.subscription, (rcl_event_callback_t)sem_post, &arrived));
  pthread_t thread;
  if (pthread_create(&thread, NULL, receive, NULL) != 0) {
    return 1;
  }
  static Outgoing out;
  make_outgoing(&out, JOINTS, (const uint32_t[3]){JOINTS, JOINTS, JOINTS});
  double position[JOINTS];
  for (int k = 0; k < JOINTS; ++k) {
    position[k] = position_of(k);
  }

  int code = 0;
  int64_t give_up = now_ns(CLOCK_MONOTONIC) + (int64_t)(timeout_s * 1e9);
  while (!matched() && code == 0) {
    usleep(10000);
    code = now_ns(CLOCK_MONOTONIC) > give_up ? 2 : 0;
  }
  set_priority(75);
  int64_t deadline = (now_ns(CLOCK_MONOTONIC) / PERIOD_NS + 10) * PERIOD_NS;
  int64_t sent = 0, late = 0, number = 0;
  while (code == 0 && deadline < window_end && number < MOST - 1) {
    sleep_until(deadline);
    number++;
    position[0] = (double)number;
    memcpy(out.bytes + out.where[0], position, sizeof position);
    stamp_outgoing(&out);
    int64_t now = sent_at[number] = now_ns(CLOCK_MONOTONIC);
    CHECK(rcl_publish_serialized_message(&ends.publisher, &out.message, NULL));
    if (now >= window_begin) {
      sent++;
      late += now - deadline > PERIOD_NS / 2;
    }
    if (window_begin == INT64_MAX) {
      if (newest > 0) {
        window_end = deadline + PERIOD_NS + (int64_t)((settle_s + seconds) * 1e9);
        window_begin = deadline + PERIOD_NS + (int64_t)(settle_s * 1e9);
      } else if (now > give_up) {
        code = 3;
      }
    }
    deadline += PERIOD_NS;
    int64_t after = now_ns(CLOCK_MONOTONIC);
    if (after > deadline) {
      deadline = (after / PERIOD_NS + 1) * PERIOD_NS;
    }
  }
  usleep(50000);
  stopping = 1;
  pthread_join(thread, NULL);
  if (code == 0 && last_fresh < window_end) {
    gap_until(window_end); /* the last one may be a long one */
  }
  CHECK(rcl_subscription_set_on_new_message_callback(&ends.subscription, NULL, NULL));
  close_ends(&ends);
  const int64_t all[7] = {fresh, commands, wrong, largest_gap, gaps_10_ms, sent, late};
  memcpy(found, all, sizeof all);
  return code;
}
