"""Plugins in workers behind a socket: lent out, watched, ended, and asked why they ended. Knows no place."""
