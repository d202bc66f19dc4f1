"""
A local stand-in for Pluggy's API, with a sandbox bank behind it.

Written from the Pluggy facts alone (section 11 is its specification). It knows nothing of who calls it.
"""
