"""The command `azure-postgres-rehearsal`, and `python -m azure_postgres_rehearsal`."""

import sys
from pathlib import Path

from azure_postgres_rehearsal import ending


def main() -> None:
    """Run the command line. What it needs takes half a second to import, in which Ctrl-C comes."""
    ending.at_once()
    from azure_postgres_rehearsal.cli import app

    # `azure-postgres-cdc rehearse` begins it as a module, in its own place.
    is_module = Path(sys.argv[0]).name == Path(__file__).name
    app(prog_name="azure-postgres-cdc" if is_module else None)


if __name__ == "__main__":
    main()
