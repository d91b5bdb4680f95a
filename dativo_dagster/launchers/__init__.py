"""Places where plugins run; one file each. Only the registry names them."""
