"""What people write: jobs, recipes, contracts; read into frozen values."""
