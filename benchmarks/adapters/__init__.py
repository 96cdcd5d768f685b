"""One adapter per form of dataset; each has `read(path, ...) -> LabelledRows`."""
