"""What Pluggy holds of the bank: collected by each execution, unchanged in between."""
