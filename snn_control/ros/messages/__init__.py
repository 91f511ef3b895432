"""Read and write numbers in the bytes of serialized messages.

A *path* such as ``position[2]`` selects the numbers. The modules find their bytes in a message and read or replace
them.
"""
