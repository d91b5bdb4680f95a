"""Runs one verb of a plugin for a host that is far away: in a function of a cloud. Knows no cloud and no platform."""
