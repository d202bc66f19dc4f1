"""One sync run of an Item: what it reads, and what it writes."""
