"""Levels of control: the audit log, the latch of a KILL, commands, and how they reach the engine.

Used by the engine, by the relay and by the commands of an operator; it knows none of them.
"""
