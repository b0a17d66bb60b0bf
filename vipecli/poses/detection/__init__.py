"""Pose detectors: MediaPipe's landmarker and ONNX models."""
