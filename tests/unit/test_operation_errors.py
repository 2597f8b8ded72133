"""What Azure answers where an operation cannot be: one line each, with the reason and a remedy."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from tests.unit.fake_azure import PATH, FakeAzure, error

from azure_postgres_cdc.azure import identity
from azure_postgres_cdc.azure.client import FlexibleServer
from azure_postgres_cdc.azure.operation import Busy, LostSight, code_of, explained
from azure_postgres_cdc.errors import CdcError

RESTART = "POST cdc-1/restart"


def refused() -> str:
    with pytest.raises(CdcError) as caught:
        FlexibleServer.at(PATH).restart()
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        (403, "AuthorizationFailed", "ask for the role Contributor on the server"),
        (403, "LinkedAuthorizationFailed", "ask for the role Contributor on the server"),
        (
            403,
            "RequestDisallowedByPolicy",
            "ask whoever owns that policy of Azure's for an exemption",
        ),
        (
            404,
            "ResourceNotFound",
            "check server.name and server.resourceGroup, and the subscription",
        ),
        (404, "ResourceGroupNotFound", "check server.resourceGroup and the subscription"),
        (404, "SubscriptionNotFound", "check the subscription (azure-native:subscriptionId)"),
        (
            400,
            "InvalidSubscriptionId",
            "give the subscription's id, not its name (server.subscription)",
        ),
        (
            409,
            "ScopeLocked",
            "have the lock on the server, its resource group or the subscription removed",
        ),
        (
            409,
            "ServerUnavailableForOperation",
            "start the server, then run pulumi up again",
        ),
        (
            400,
            "InvalidParameterValue",
            "look at the server's activity log in the portal, then run pulumi up again",
        ),
    ],
)
def test_azure_s_errors_have_a_remedy_and_are_not_repeated(
    azure: FakeAzure, status: int, code: str, remedy: str
) -> None:
    azure.plan(RESTART, error(status, code))
    assert refused() == (
        f"cannot restart server cdc-1 in resource group rg-cdc: {code}: it is so. Remedy: {remedy}"
    )
    assert azure.asked == [RESTART]


def test_operation_that_fails_says_why(azure: FakeAzure) -> None:
    failed = {"status": "Failed", "error": {"code": "DiskFull", "message": "No space.\nDetails"}}
    azure.plan("GET operation", (200, failed))
    assert refused() == (
        "cannot restart server cdc-1 in resource group rg-cdc: DiskFull: No space. Remedy: look at "
        "the server's activity log in the portal, then run pulumi up again"
    )
    assert azure.changes == [RESTART]


def test_login_that_azure_refuses_has_its_own_remedy(azure: FakeAzure) -> None:
    azure.plan(RESTART, error(401, "InvalidAuthenticationToken", "The token has expired."))
    assert refused() == (
        "cannot restart server cdc-1: Azure did not accept the credential: "
        f"InvalidAuthenticationToken: The token has expired. Remedy: {identity.LOGIN_REMEDY}"
    )


def test_error_without_a_code_is_told_without_one(azure: FakeAzure) -> None:
    azure.plan(RESTART, (400, {"message": "The body is no JSON."}))
    assert refused().startswith(
        "cannot restart server cdc-1 in resource group rg-cdc: The body is no JSON. Remedy: "
    )


def test_answer_that_is_not_azure_s_is_one_line_too(azure: FakeAzure) -> None:
    azure.plan(RESTART, (418, {"teapot": True}))
    assert refused().startswith("cannot restart server cdc-1 in resource group rg-cdc: ")


@pytest.mark.parametrize(
    ("raised", "text"),
    [
        (
            Busy(),
            "cannot grow server s in resource group g: Busy. Remedy: another operation went on for "
            "more than 15 min; look at the server's activity log for whose it is, wait for it, "
            "then run pulumi up again",
        ),
        (
            LostSight("it broke"),
            "cannot grow server s: the connection to Azure broke and the operation did not take "
            "effect: it broke. Remedy: look at the server's activity log in the portal, then run "
            "pulumi up again",
        ),
    ],
)
def test_states_are_explained(raised: Exception, text: str) -> None:
    with pytest.raises(CdcError) as caught, explained("grow", "s", "g"):
        raise raised
    assert str(caught.value) == text


@pytest.mark.parametrize("raised", [KeyError("x"), CdcError("as it is")])
def test_other_errors_pass(raised: Exception) -> None:
    with pytest.raises(type(raised)) as caught, explained("grow", "s", "g"):
        raise raised
    assert caught.value is raised


def test_errors_without_azure_s_word_have_no_code() -> None:
    without: list[Any] = [Busy(), ValueError(), HttpResponseError("an answer without a body")]
    assert [code_of(item) for item in without] == [""] * 3


def test_azure_out_of_reach_has_its_own_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv(identity.ENDPOINT_VARIABLE, f"http://127.0.0.1:{port}")
    with pytest.raises(CdcError) as caught:
        FlexibleServer.at(PATH).facts()
    text = str(caught.value)
    assert text.startswith("cannot look at server cdc-1 in resource group rg-cdc: ")
    assert text.endswith(
        "Remedy: check the way to Azure's management API (network, proxy), then run pulumi up again"
    )
    assert "\n" not in text


def test_token_that_expires_meanwhile_has_the_login_s_remedy(azure: FakeAzure) -> None:
    azure.plan("GET operation", error(401, "ExpiredAuthenticationToken", "It has expired."))
    assert refused() == (
        "cannot restart server cdc-1: Azure did not accept the credential: "
        f"ExpiredAuthenticationToken: It has expired. Remedy: {identity.LOGIN_REMEDY}"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("one\ntwo", "one"),
        ("  one.\n", "one"),
        ("", "ValueError"),
        # What requests and urllib3 wrap around each other
        ("('Connection aborted.', RemoteDisconnected('Remote end closed'))", "Connection aborted."),
        ("(a, b)", "(a, b)"),
    ],
)
def test_first_line_of_an_error(text: str, line: str) -> None:
    assert identity.first_line(ValueError(text)) == line
