"""Opening a ``torch.export`` archive (.pt2 layout) without ever executing what is in it.

`torch.export.load` runs code of the file from several places (each has its test, tried on torch 2.13):

1. ``data/sample_inputs/*.pt`` is a pickle, in honest archives too;
2. weights and constants with ``use_pickle: true``, script objects and opaque objects are pickles;
3. the legacy layout (no ``archive_format``) holds pickles only;
4. every ``expr_str`` goes through ``sympy.sympify``, which evaluates it;
5. names of inputs, nodes and arguments are pasted into Python source that FX compiles.

So torch never sees a file as it came. `read_archive` reads the zip itself, and *rebuilds* every JSON document
from the few keys and value types that a static network needs (nothing is copied through unseen);
`SafeArchive.clean_bytes` writes what was rebuilt, with empty sample inputs, as a new archive; and only that
goes to torch (`load_programs`). The weights are raw bytes whose extents were checked.

torch is imported only inside functions: reading and refusing a file needs none.
"""

from cpcc.archive.aten import ATEN_OPS
from cpcc.archive.loading import LoadedModel, load_archive, load_programs
from cpcc.archive.safe import SafeArchive, parse_archive, read_archive
from cpcc.archive.supported import instead
from cpcc.archive.text import user_line
from cpcc.archive.values import parse_json

__all__ = [
    "ATEN_OPS",
    "LoadedModel",
    "SafeArchive",
    "instead",
    "load_archive",
    "load_programs",
    "parse_archive",
    "parse_json",
    "read_archive",
    "user_line",
]
