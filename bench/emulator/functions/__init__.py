"""Lambda functions as processes: forked, served, ended. Knows no other service."""
