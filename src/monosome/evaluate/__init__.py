"""From measured rows to intervals, figures and reports."""
