"""Looks at every connector of a stack as the connector would, and says how it stands."""

from __future__ import annotations

from collections.abc import Iterator

from azure_postgres_cdc.database import idle_connections
from azure_postgres_cdc.errors import CdcError, Unreachable, explained
from azure_postgres_cdc.names import listed
from azure_postgres_cdc.operations.checks import CHECKS, Check, name_of, parameters
from azure_postgres_cdc.operations.command_line import one_line
from azure_postgres_cdc.operations.findings import (
    Finding,
    Report,
    Result,
    failed,
    from_error,
    ok,
    unknown,
    warning,
)
from azure_postgres_cdc.operations.login import as_connector
from azure_postgres_cdc.operations.stack import Form, Stack
from azure_postgres_cdc.operations.subject import Administrator, Subject
from azure_postgres_cdc.plan import Plan
from azure_postgres_cdc.progress import Say, silent

CONNECTION_CHECKS = {
    "connection": "the connector's user can log in",
    "settings": "the settings and what was up have the same connectors",
}
"""The checks that come before those of a connector that can be reached."""


_LOOK_AGAIN = "run doctor again; where it stays, give back what PostgreSQL grants to PUBLIC"
_REPORT = "report it to the maintainers"
_UP_AGAIN = "run pulumi up again"


class _Lost(CdcError):  # noqa: N818 - reads better where it is caught
    """The connection was lost in the middle."""


def examine(stack: Stack, database: str | None = None, say: Say = silent) -> Report:
    """Everything that there is to find on a stack, or on one of its databases. `say` is told what
    is looked at."""
    idle_connections.close_all()  # a login from before is no proof that the next one works
    plans = stack.plans()
    findings: list[Finding] = []
    for form in stack.forms_of(database):
        plan = plans.pop((form.database, form.slot), None)
        findings += _connector(stack, form, plan, say)
    for name, slot in plans:
        if database in (None, name):
            result = warning("in the settings, and not up yet", "run pulumi up")
            findings.append(_finding(name, slot, "connection", "settings", result))
    return Report(stack.name, findings)


def _connector(stack: Stack, form: Form, plan: Plan | None, say: Say) -> list[Finding]:
    where = f"database {form.database}, slot {form.slot}"
    say(where)

    def found(check: str, result: Result) -> Finding:
        return _finding(form.database, form.slot, "connection", check, result)

    if plan is None:
        result = warning("it was up, and is not in the settings any more", "run pulumi up")
        return [found("settings", result)]
    try:
        with (
            as_connector(form, autocommit=True, own_limits=True) as connection,
            Administrator(stack.administrator(form), form.database) as administrator,
        ):
            findings = [found("connection", _reached(form))]
            parameters.own_limits(connection)
            subject = Subject(stack, form, plan, connection, administrator)
            for topic in CHECKS:
                say(f"{where}: {topic}")
                findings += _checked(topic, subject)
            return findings
    except _Lost as error:
        return [found("connection", from_error(error))]
    except CdcError as error:
        return [found("connection", _unreached(form, error))]


def _checked(topic: str, subject: Subject) -> Iterator[Finding]:
    for check in CHECKS[topic]:
        result = _result(check, subject)
        if result is not None:
            form = subject.form
            yield _finding(form.database, form.slot, topic, name_of(check), result)


def _result(check: Check, subject: Subject) -> Result | None:
    """What a check says; what could not be looked at is unknown, with the reason.

    Raises _Lost where the connection is lost: no check after it says anything that is true.
    """
    try:
        with explained("could not be looked at"):
            result = check(subject)
    except CdcError as error:
        reason = from_error(error)
        result = unknown(reason.evidence, reason.remedy or _LOOK_AGAIN)
    except Exception as error:  # the others have something to say all the same
        result = unknown(f"could not be looked at: unexpected {type(error).__name__}", _REPORT)
    if subject.connection.closed:
        why = f": {result.evidence}" if result else ""
        raise _Lost(
            f"the connection to database {subject.form.database} was lost in the check "
            f"{name_of(check)}{why}. Remedy: run doctor again; a restart or a failover may be "
            "under way"
        )
    return result


def _reached(form: Form) -> Result:
    where = f"{form.hostname}:{form.port} as {form.username}, sslmode {form.ssl_mode}"
    if form.ssh_host:
        return ok(f"{where}; not through the SSH tunnel at {form.ssh_host}, which is not looked at")
    return ok(where)


def _unreached(form: Form, error: CdcError) -> Result:
    """Behind a tunnel, a server that cannot be reached from here says nothing of the connector."""
    reason = from_error(error)
    if form.ssh_host and isinstance(error, Unreachable):
        return unknown(
            f"{reason.evidence}. The connector comes through the SSH tunnel at {form.ssh_host}, "
            "which is not opened here; nothing else was looked at",
            "run this where the server can be reached directly",
        )
    return failed(f"{reason.evidence}; nothing else was looked at", reason.remedy)


def _finding(database: str, slot: str, topic: str, check: str, result: Result) -> Finding:
    return Finding(
        database=database,
        slot=slot,
        topic=topic,
        check=check,
        state=result.state,
        evidence=result.evidence,
        # Of the remedies that `up` has as well: here, it is doctor who looks once more.
        remedy=result.remedy.replace(_UP_AGAIN, "run doctor again"),
    )


def known(checks: list[str] | None) -> list[str]:
    """The names that `--fail-on` gives, once they are right: a wrong one would never count."""
    names = {*CONNECTION_CHECKS, *(name_of(check) for found in CHECKS.values() for check in found)}
    wrong = sorted(set(checks or ()) - names)
    with one_line():
        if wrong:
            raise CdcError(
                f"doctor has no check {listed(wrong)}. Remedy: take the name from its report, or "
                "from docs/doctor.md"
            )
    return checks or []
