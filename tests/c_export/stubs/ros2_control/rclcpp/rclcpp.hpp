#pragma once
#include <cstdio>
#define RCLCPP_ERROR(logger, ...) (static_cast<void>(logger), std::printf(__VA_ARGS__), std::printf("\n"))
