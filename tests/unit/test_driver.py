"""psycopg is imported at its first use, whichever thread that is in."""

from __future__ import annotations

import subprocess
import sys

import pytest

AT_ONCE = """
import sys, threading
from azure_postgres_cdc.driver import psycopg, sql

def use(number):
    together.wait()
    try:
        psycopg.Error if number % 2 else sql.SQL
    except ImportError as error:
        print(error)

sys.setswitchinterval(1e-5)
together = threading.Barrier(8)
threads = [threading.Thread(target=use, args=[number]) for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.mark.parametrize("attempt", range(5))
def test_threads_that_use_it_first_at_once_do_not_find_it_half_imported(attempt: int) -> None:
    """As those of a refresh do. Without a lock, four of five attempts fail."""
    command = [sys.executable, "-c", AT_ONCE]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == "", attempt
