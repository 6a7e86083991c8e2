"""Proteins as a domain: sequences, structures, contacts, alignments, families. Knows no model."""
