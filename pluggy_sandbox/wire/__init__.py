"""What goes over the wire: JSON, instants, identifiers, and what the API says when it refuses."""
