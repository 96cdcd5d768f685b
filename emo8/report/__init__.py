"""The numbers of a build as figures, sheets and pages."""
