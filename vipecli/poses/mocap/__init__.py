"""Motion capture in files (BVH, ASF/AMC, `.npz`), as clips of the 13 joints."""
