"""A folder of job files as a component of ``dg`` projects, over the same loader as `dativo_dagster.definitions`.

A ``defs.yaml``::

    type: dativo_dagster.orchestration.component.JobFolder
    attributes:
      path: jobs
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from dativo_dagster.orchestration.build import build_definitions


class JobFolder(dg.Component, dg.Model, dg.Resolvable):
    """All job files in a folder. Job files stay plain YAML: nothing in them is taken for a template."""

    path: str
    """The folder, relative to the project."""

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Make the definitions of the folder."""
        return build_definitions(Path(context.project_root) / self.path)
