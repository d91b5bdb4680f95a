"""Plugins in workers at the other end of a socket: lent out, watched, ended, and asked why they ended. Knows no place."""
