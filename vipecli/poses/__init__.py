"""2D and 3D poses of people: skeleton, detection, tracking, gaps, cache and file formats."""
