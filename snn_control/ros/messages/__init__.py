"""Numbers in the bytes of messages: where they are, what they select, and how commands are written."""
