"""Speed of the kernels beside other libraries, measured in one run: ``python -m benchmarks``."""
