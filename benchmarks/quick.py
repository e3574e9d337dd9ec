"""``--quick``: the sizes at which a script only shows that it runs."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_quick"]


class _Sizes(argparse.Action):
    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:  # noqa: ARG002
        for name, size in self.const.items():
            setattr(namespace, name, size)


def add_quick(parser: argparse.ArgumentParser, **sizes: object) -> None:
    """Let ``--quick`` set these options; what follows it on the command line still counts."""
    told = ", ".join(f"--{name.replace('_', '-')} {size}" for name, size in sizes.items())
    parser.add_argument(
        "--quick", action=_Sizes, nargs=0, const=sizes, help=f"to see that it runs: {told or 'as it is'}"
    )
