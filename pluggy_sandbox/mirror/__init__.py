"""What Pluggy holds of the bank: merged in each run, and served."""
