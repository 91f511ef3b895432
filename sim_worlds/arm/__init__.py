"""A robot arm with two joints that follows a path of joint angles with an unknown load in its hand."""
