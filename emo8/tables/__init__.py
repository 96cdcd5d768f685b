"""The numbers of all parts in one table, and the thresholds that judge them."""
