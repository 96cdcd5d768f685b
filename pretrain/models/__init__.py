"""The networks: maths only, on torch and timm."""
