"""A package, so that its service ends with its tests, and not with those of all folders."""
