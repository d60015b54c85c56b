"""What is promised of a build, and the proof that it holds."""
