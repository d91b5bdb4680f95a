"""Plugins in functions of a cloud: packed, asked for one verb at a time, rows fetched as objects. Calls no cloud."""
