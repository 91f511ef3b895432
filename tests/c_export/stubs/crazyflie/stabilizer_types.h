/* The part of the firmware's header (crazyflie-firmware, src/modules/interface) that the shell uses. */
#pragma once
#include <stdint.h>
typedef uint32_t stabilizerStep_t;
typedef struct { float roll, pitch, yaw; } attitude_t;
typedef struct { float x, y, z; } Axis3f;
typedef struct { attitude_t attitude; Axis3f position, velocity; } state_t;
typedef struct { Axis3f acc, gyro; } sensorData_t;
typedef struct { attitude_t attitude, attitudeRate; Axis3f position; float thrust; } setpoint_t;
typedef enum { controlModeLegacy, controlModeForceTorque, controlModeForce } control_mode_t;
typedef struct {
  union {
    struct { float thrustSi; float torque[3]; };
    float normalizedForces[4];
  };
  control_mode_t controlMode;
} control_t;
