"""The engine against the venue under one virtual clock and one seed, see ``docs/testing.md``."""
