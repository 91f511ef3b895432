"""Read and write numbers in the bytes of serialized messages.

A *path* such as ``position[2]`` selects numbers of a message. The modules find the bytes of these numbers in a
serialized message, and read or replace them.
"""
