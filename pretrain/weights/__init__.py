"""Weights in and out: starting weights, encoders, classifiers, exports."""
