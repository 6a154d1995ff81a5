"""Bars as columns: from the API's JSON, and into what analysts use."""
