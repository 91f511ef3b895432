"""Read and write numbers in the bytes of messages: how a path selects numbers, and how they are found and replaced."""
