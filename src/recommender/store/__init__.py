"""The only input and output: tables on disk, the decision log, the registry of trained strategies."""
