"""Bundles of one module, for tests that bring their own function."""

import io
import zipfile


def zipped(code: str) -> bytes:
    """Return a bundle that holds ``code`` as `module.py`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr("module.py", code)
    return buffer.getvalue()
