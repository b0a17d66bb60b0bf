"""Models of pose sequences: Pose-GPT, which predicts poses."""
