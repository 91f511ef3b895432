#pragma once
#define PLUGINLIB_EXPORT_CLASS(one, base) base *made_for_pluginlib(); base *made_for_pluginlib() { return new one; }
