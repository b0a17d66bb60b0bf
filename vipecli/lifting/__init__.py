"""3D poses from one view, generated poses, and motion files."""
