"""Plugins in functions of AWS Lambda. Here is what deploys and invokes them."""
