"""One thin function per verb: parse, call, print."""
