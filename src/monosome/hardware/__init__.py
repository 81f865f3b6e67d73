"""What this machine is, which settings suit it, and what a run costs in memory and time."""
