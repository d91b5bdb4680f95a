"""From a job to a commit: plan, stage, commit; live parts come through the registry."""
