"""The command `azure-postgres-cdc`, and `python -m azure_postgres_cdc.operations`."""

import sys

from azure_postgres_cdc.operations import ending


def main() -> None:
    """Run the command line. What it needs takes half a second to import, in which Ctrl-C comes."""
    ending.at_once()
    try:
        from azure_postgres_cdc.operations.cli import app
    except OSError as error:  # Pulumi's SDK looks for a folder for temporary files
        sys.stderr.write(
            f"azure-postgres-cdc: there is no place for temporary files: {error.strerror}. Remedy: "
            "free some space there, or name another folder in the environment variable TMPDIR\n"
        )
        sys.exit(2)
    app(prog_name="azure-postgres-cdc")


if __name__ == "__main__":
    main()
