"""The commands of `uniemox`: arguments and what each prints."""
