"""Numbers in the bytes of messages: how they are found, which ones a path selects, and how commands are written."""
