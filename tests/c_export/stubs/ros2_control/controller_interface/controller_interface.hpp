// The part of controller_interface, hardware_interface and rclcpp that the shell uses.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>
namespace rclcpp {
class Time {};
class Duration {
 public:
  long nanoseconds() const { return 0; }
};
struct Parameter {
  std::vector<std::string> value;
  std::vector<std::string> as_string_array() const { return value; }
};
struct Logger {};
template <class Message>
struct Subscription {
  using SharedPtr = std::shared_ptr<Subscription>;
};
}  // namespace rclcpp
namespace rclcpp_lifecycle {
class State {};
struct LifecycleNode {
  std::map<std::string, std::vector<std::string>> parameters;
  rclcpp::Parameter get_parameter(const std::string &name) const { return {parameters.at(name)}; }
  rclcpp::Logger get_logger() const { return {}; }
  template <class Message>
  typename rclcpp::Subscription<Message>::SharedPtr create_subscription(
      const std::string &, int, std::function<void(const std::shared_ptr<Message>)>) { return {}; }
};
}  // namespace rclcpp_lifecycle
namespace hardware_interface {
struct LoanedStateInterface {
  double get_value() const { return *value; }
  const double *value;
};
struct LoanedCommandInterface {
  [[nodiscard]] bool set_value(double x) { *value = x; return true; }
  double *value;
};
}  // namespace hardware_interface
namespace controller_interface {
enum class return_type { OK, ERROR };
enum class CallbackReturn { SUCCESS, FAILURE, ERROR };
enum class interface_configuration_type { ALL, INDIVIDUAL, NONE };
struct InterfaceConfiguration {
  interface_configuration_type type;
  std::vector<std::string> names;
};
class ControllerInterface {
 public:
  virtual ~ControllerInterface() = default;
  virtual CallbackReturn on_init() = 0;
  virtual InterfaceConfiguration command_interface_configuration() const = 0;
  virtual InterfaceConfiguration state_interface_configuration() const = 0;
  virtual CallbackReturn on_configure(const rclcpp_lifecycle::State &) = 0;
  virtual CallbackReturn on_activate(const rclcpp_lifecycle::State &) = 0;
  virtual CallbackReturn on_deactivate(const rclcpp_lifecycle::State &) = 0;
  virtual CallbackReturn on_error(const rclcpp_lifecycle::State &) { return CallbackReturn::FAILURE; }
  virtual return_type update(const rclcpp::Time &, const rclcpp::Duration &) = 0;

  // public for the test
  template <class T>
  void auto_declare(const std::string &, const T &) {}
  std::shared_ptr<rclcpp_lifecycle::LifecycleNode> get_node() const { return node; }
  unsigned get_update_rate() const { return update_rate; }
  std::shared_ptr<rclcpp_lifecycle::LifecycleNode> node = std::make_shared<rclcpp_lifecycle::LifecycleNode>();
  unsigned update_rate = 0;
  std::vector<hardware_interface::LoanedStateInterface> state_interfaces_;
  std::vector<hardware_interface::LoanedCommandInterface> command_interfaces_;
};
}  // namespace controller_interface
