"""What the process tells about itself: logs, traces and measurements."""
