"""The vendors' APIs served on loopback, so that tests, examples and a demo need no account. Importing this loads nothing else."""
