"""Plugins in functions of a cloud: packed, asked for one verb at a time, their rows fetched from objects. Knows no cloud."""
