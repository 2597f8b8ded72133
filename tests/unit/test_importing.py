"""A library is imported at its first use, whichever thread that is in."""

from __future__ import annotations

import subprocess
import sys

import pytest

# What the threads of one `pulumi up` ask for first.
PSYCOPG = ("psycopg", "psycopg.sql")
AZURE = (
    "azure.core.exceptions",
    "azure.core.pipeline.policies",
    "azure.identity",
    "azure.mgmt.postgresqlflexibleservers",
    "azure_postgres_cdc.azure.operation",
)
AT_ONCE = """
import sys, threading
from azure_postgres_cdc.importing import imported

def use(module):
    together.wait()
    try:
        imported(module)
    except BaseException as error:
        print(error)

modules = sys.argv[1:] * 2
sys.setswitchinterval(1e-5)
together = threading.Barrier(len(modules))
threads = [threading.Thread(target=use, args=[module]) for module in modules]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.mark.parametrize("modules", [PSYCOPG, AZURE], ids=["psycopg", "azure"])
@pytest.mark.parametrize("attempt", range(3))
def test_threads_that_begin_at_once_do_not_find_it_half_imported(
    modules: tuple[str, ...], attempt: int
) -> None:
    """With plain imports, most attempts fail."""
    command = [sys.executable, "-c", AT_ONCE, *modules]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == "", attempt


def test_psycopg_is_not_imported_before_it_is_used() -> None:
    script = (
        "import sys; from azure_postgres_cdc.driver import psycopg\n"
        "assert 'psycopg' not in sys.modules\n"
        "psycopg.Error\n"
        "assert 'psycopg' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_program_does_without_psycopg() -> None:
    """It would wait for it at every `up`."""
    script = (
        "import sys, azure_postgres_cdc.server, azure_postgres_cdc.source\n"
        "import azure_postgres_cdc.settings\n"
        "assert 'psycopg' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_what_cannot_be_imported_ahead_is_told_where_it_is_needed() -> None:
    """And not as a traceback from a thread of its own."""
    script = (
        "import threading; from azure_postgres_cdc.importing import import_ahead\n"
        "import_ahead('no_such_module')\n"
        "[thread.join() for thread in threading.enumerate() if thread.daemon]"
    )
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stderr == ""
