"""The commands of `python -m mi_core`: `main` has the parser, the other modules what each group of commands does."""
