"""Loops of compiled code around one step of the arc each, called as the pipeline calls it.

As ``bench.loops``: each returns the time it took and a hash of what came out.
"""
