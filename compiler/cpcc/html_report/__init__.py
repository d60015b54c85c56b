"""The report for people: one self-contained HTML file of a build's last verification."""
