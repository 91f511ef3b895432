/* The control loop in C on rcl, against which the product's is measured: it is loaded into a Python process.

   Every period at a phase of CLOCK_MONOTONIC or, with a negative phase, when a message has come, at the latest one and a
   half periods after the last tick: take all messages, the newest wins; command[0] = position[0],
   command[k] = GAIN * position[k]; publish. An overrun skips periods and keeps the grid. */
#include "common.h"

#define GAIN -20.0

typedef struct {
  Ends ends;
  int64_t phase_ns;
  int priority;
  int64_t ticks, missed, malformed;
} Controller;

static volatile sig_atomic_t stopping;
static sem_t arrived;

static void on_signal(int number)
{
  (void)number;
  stopping = 1;
}

static void * loop(void * argument)
{
  Controller * self = argument;
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, NULL);
  mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
  set_priority(self->priority);
  rcl_serialized_message_t message = receive_buffer();
  rmw_message_info_t info;
  static Outgoing out;
  make_outgoing(&out, 0, (const uint32_t[3]){0, 0, JOINTS});
  double position[JOINTS] = {0}, received[JOINTS], command[JOINTS];
  int64_t deadline = (now_ns(CLOCK_MONOTONIC) / PERIOD_NS + 2) * PERIOD_NS + self->phase_ns;
  while (!stopping) {
    if (self->phase_ns >= 0) {
      sleep_until(deadline);
    } else {
      struct timespec until = timespec_of(now_ns(CLOCK_MONOTONIC) + PERIOD_NS + PERIOD_NS / 2);
      while (sem_clockwait(&arrived, CLOCK_MONOTONIC, &until) != 0 && errno == EINTR) {
      }
      while (sem_trywait(&arrived) == 0) {
      }
    }
    while (rcl_take_serialized_message(&self->ends.subscription, &message, &info, NULL) == RCL_RET_OK) {
      if (get_doubles(message.buffer, message.buffer_length, 0, received, JOINTS) == 0) {
        memcpy(position, received, sizeof position);
      } else {
        self->malformed++;
      }
    }
    rcl_reset_error();
    command[0] = position[0];
    for (int k = 1; k < JOINTS; ++k) {
      command[k] = GAIN * position[k];
    }
    memcpy(out.bytes + out.where[2], command, sizeof command);
    stamp_outgoing(&out);
    CHECK(rcl_publish_serialized_message(&self->ends.publisher, &out.message, NULL));
    self->ticks++;
    deadline += PERIOD_NS;
    int64_t late = now_ns(CLOCK_MONOTONIC) - deadline;
    if (late > 0) {
      int64_t skipped = (late + PERIOD_NS - 1) / PERIOD_NS;
      self->missed += skipped;
      deadline += skipped * PERIOD_NS;
    }
  }
  CHECK(rmw_serialized_message_fini(&message));
  return NULL;
}

/* Runs until SIGTERM or SIGINT; counts = ticks, missed periods, malformed messages. */
int controller_run(
  const char * sensor, const char * command, int64_t phase_ns, int dds_priority, int loop_priority, int64_t * counts)
{
  static Controller self;
  self.phase_ns = phase_ns;
  self.priority = loop_priority;
  signal(SIGTERM, on_signal);
  signal(SIGINT, on_signal);
  set_priority(dds_priority); /* the threads of DDS inherit it */
  sem_init(&arrived, 0, 0);
  open_ends(&self.ends, "c_controller", sensor, qos(0, 5), command, qos(1, 1));
  if (phase_ns < 0) {
    CHECK(rcl_subscription_set_on_new_message_callback(
      &self.ends.subscription, (rcl_event_callback_t)sem_post, &arrived));
  }
  pthread_t thread;
  if (pthread_create(&thread, NULL, loop, &self) != 0) {
    return 1;
  }
  set_priority(0);
  while (!stopping) {
    usleep(20000);
  }
  pthread_join(thread, NULL);
  close_ends(&self.ends);
  counts[0] = self.ticks;
  counts[1] = self.missed;
  counts[2] = self.malformed;
  return 0;
}
