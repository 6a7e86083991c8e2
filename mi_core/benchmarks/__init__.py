"""What is measured and stored: strategies, estimators, contacts, designs, fine-tunes; records and their tables."""
