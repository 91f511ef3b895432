"""One file a kernel: an edited file is compiled again with all that stands in it, and with all that it imports."""
