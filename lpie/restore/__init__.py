"""Restores photos of any size, by tiles, with any network.

`lpie.restore(...)` is the function of `lpie.restore.batch.restore`; as a package of the same name
lies here, the package itself can be called.
"""

import sys
from types import ModuleType
from typing import Any


class _Package(ModuleType):
    def __call__(self, model: Any, input: Any, output: Any = None, **options: Any) -> Any:
        """Restore photos in files: see `lpie.restore.batch.restore.restore`."""
        from lpie.restore.batch.restore import restore

        return restore(model, input, output, **options)


sys.modules[__name__].__class__ = _Package
