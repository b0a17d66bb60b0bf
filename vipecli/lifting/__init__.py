"""3D poses from one view, generated and predicted poses, and motion files."""
