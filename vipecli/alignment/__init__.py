"""Correspondence in time: dynamic time warping, offsets, repetitions, comparison."""
