"""What is on offer and never changes: institutions, test users, questions, outcomes, categories."""
