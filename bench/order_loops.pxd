"""Loops of compiled code around the steps of the arc that no Python caller reaches alone."""
