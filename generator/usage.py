"""Command lines whose usage errors are one line."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn, override


class OneLineParser(argparse.ArgumentParser):
    """An argument parser that answers a mistake with one line on stderr and exit status 2."""

    @override
    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is."""
        line = " ".join(message.split())
        print(f"{self.prog}: {line} (see --help)", file=sys.stderr)
        sys.exit(2)
