"""Numbers in the bytes of messages: how a path selects numbers, how they are found, and how commands are written."""
