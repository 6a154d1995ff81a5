"""Runs three checkers over the committed templates and explains every finding, or fails."""
