"""The only folder that imports dagster: jobs as assets, ops, checks, sensors and schedules."""
