"""What the product is told, and how it is delivered."""
