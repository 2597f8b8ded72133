"""Pulumi's provider protocol, reduced to plain dicts: import everything a plugin needs from here.

A plugin is a `Plugin` with one `ResourceType` for each kind of resource. This module does the rest:
gRPC, previews, unknown values, errors without tracebacks, and secrets. Secrets arrive wrapped, are
handed on in plain, and go back wrapped, by name: once a property was secret it stays so.
"""

# ruff: noqa: ARG002, N802 - names and arguments of the calls are the protocol's

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from azure_postgres_rehearsal.plugins.interface import (
    Diff,
    InitError,
    Plugin,
    ProviderError,
    ResourceType,
)
from azure_postgres_rehearsal.plugins.wire import (
    UNKNOWN,
    Properties,
    decode,
    differing,
    encode,
    has_unknown,
)

__all__ = [
    "UNKNOWN",
    "Diff",
    "InitError",
    "Plugin",
    "Properties",
    "ProviderError",
    "ResourceType",
    "differing",
    "has_unknown",
    "serve",
]

_Answer = TypeVar("_Answer")

_MAX_MESSAGE = 400 * 1024 * 1024  # as in Pulumi's own plugins: table lists can be long
_THREADS = 32
_GRACE_SECONDS = 5


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """The protocol's calls. What is not here (GetSchema, Parameterize, ...) is unimplemented."""

    def __init__(self, plugin: Plugin, stop: threading.Event) -> None:
        self._plugin = plugin
        self._stop = stop

    def _type(self, urn: str) -> ResourceType:
        return self._plugin.resource(urn.split("::")[2].rsplit("$", 1)[-1])

    def GetPluginInfo(
        self, request: empty_pb2.Empty, context: grpc.ServicerContext
    ) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self._plugin.version)

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self._stop.set()
        return empty_pb2.Empty()

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        news, secrets = decode(request.news)
        return provider_pb2.CheckResponse(inputs=encode(news, secrets | self._plugin.secret_config))

    def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        old, new = decode(request.olds)[0], decode(request.news)[0]
        return _diff_response(Diff(differing(old, new)), old, new, request.ignoreChanges)

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        variables: Properties = {k.rsplit(":", 1)[-1]: v for k, v in request.variables.items()}
        variables |= decode(request.args)[0]
        _guarded(context, lambda: self._plugin.configure(variables))
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Invoke(
        self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.InvokeResponse:
        args = decode(request.args)[0]
        result = _guarded(context, lambda: self._plugin.invoke(request.tok, args))
        # The field is called `return`, which Python keeps for itself.
        return provider_pb2.InvokeResponse(**{"return": encode(result)})  # type: ignore[arg-type]

    def Check(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        olds, (news, secrets) = decode(request.olds)[0], decode(request.news)
        kind = _guarded(context, lambda: self._type(request.urn))
        inputs, failures = _guarded(context, lambda: kind.check(olds, news))
        return provider_pb2.CheckResponse(
            inputs=encode(inputs, secrets | kind.secret_outputs),
            failures=[provider_pb2.CheckFailure(property=p, reason=r) for p, r in failures],
        )

    def Diff(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        inputs, outputs = decode(request.old_inputs)[0], decode(request.olds)[0]
        news = decode(request.news)[0]
        kind = _guarded(context, lambda: self._type(request.urn))
        diff = _guarded(context, lambda: kind.diff(request.id, inputs, outputs, news))
        return _diff_response(diff, inputs | outputs, news, request.ignoreChanges)

    def Create(
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        inputs, secrets = decode(request.properties)
        kind = _guarded(context, lambda: self._type(request.urn))
        secrets |= kind.secret_outputs
        if request.preview:
            outputs = dict.fromkeys(kind.computed_outputs, UNKNOWN) | kind.planned(inputs)
            return provider_pb2.CreateResponse(properties=encode(outputs, secrets))
        new_id, outputs = _guarded(context, lambda: kind.create(inputs), inputs, secrets)
        return provider_pb2.CreateResponse(id=new_id, properties=encode(outputs, secrets))

    def Read(
        self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        (inputs, secrets), (outputs, secret_outputs) = (
            decode(request.inputs),
            decode(request.properties),
        )
        kind = _guarded(context, lambda: self._type(request.urn))
        found = _guarded(context, lambda: kind.read(request.id, inputs, outputs))
        if found is None:
            return provider_pb2.ReadResponse()
        secrets |= secret_outputs | kind.secret_outputs
        read_id, inputs, outputs = found
        return provider_pb2.ReadResponse(
            id=read_id, inputs=encode(inputs, secrets), properties=encode(outputs, secrets)
        )

    def Update(
        self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        (news, secrets), (olds, old_secrets) = decode(request.news), decode(request.olds)
        for name in _whole(request.ignoreChanges):
            news.pop(name, None)
            news |= {name: olds[name]} if name in olds else {}
        kind = _guarded(context, lambda: self._type(request.urn))
        secrets |= old_secrets | kind.secret_outputs
        if request.preview:
            kept = {name: olds[name] for name in kind.computed_outputs if name in olds}
            outputs = kept | kind.planned(news)
        else:
            outputs = _guarded(context, lambda: kind.update(request.id, olds, news), news, secrets)
        return provider_pb2.UpdateResponse(properties=encode(outputs, secrets))

    def Delete(
        self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        outputs = decode(request.properties)[0]
        kind = _guarded(context, lambda: self._type(request.urn))
        _guarded(context, lambda: kind.delete(request.id, outputs))
        return empty_pb2.Empty()


def _guarded(
    context: grpc.ServicerContext,
    work: Callable[[], _Answer],
    inputs: Mapping[str, Any] | None = None,
    secrets: Iterable[str] = (),
) -> _Answer:
    """What `work` returns; where it fails, its text alone becomes the call's error."""
    try:
        return work()
    except InitError as error:
        _abort_half_made(context, error, inputs or {}, secrets)
    except ProviderError as error:
        context.abort(grpc.StatusCode.UNKNOWN, str(error))
    except Exception as error:
        context.abort(grpc.StatusCode.UNKNOWN, f"{type(error).__name__}: {error}")


def _abort_half_made(
    context: grpc.ServicerContext,
    error: InitError,
    inputs: Mapping[str, Any],
    secrets: Iterable[str],
) -> NoReturn:
    text = str(error)
    detail = provider_pb2.ErrorResourceInitFailed(
        id=error.resource_id,
        properties=encode(error.outputs, secrets),
        reasons=[text],
        inputs=encode(inputs, secrets),
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=text)
    status.details.add().Pack(detail)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, text)


def _whole(paths: Iterable[str]) -> set[str]:
    """The ignored properties. Where only a part is, the engine has put its old value there."""
    return {path for path in paths if not set(path) & set(".[")}


def _diff_response(
    diff: Diff, old: Mapping[str, Any], new: Mapping[str, Any], ignored: Iterable[str]
) -> provider_pb2.DiffResponse:
    skip = _whole(ignored)
    changed = [name for name in diff.changed if name not in skip]
    replaces = [name for name in diff.replaces if name not in skip]
    kinds = provider_pb2.PropertyDiff.Kind
    detailed = {}
    for name in changed:
        verb = "ADD" if name not in old else "UPDATE" if name in new else "DELETE"
        kind = kinds.Value(f"{verb}_REPLACE" if name in replaces else verb)
        detailed[name] = provider_pb2.PropertyDiff(kind=kind)
    some = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
    return provider_pb2.DiffResponse(
        changes=some,
        diffs=changed,
        replaces=replaces,
        deleteBeforeReplace=bool(replaces) and diff.delete_before_replace,
        detailedDiff=detailed,
        hasDetailedDiff=True,
    )


def serve(plugin: Plugin) -> None:
    """Be the plugin's process until the engine cancels it, ends it or is gone itself."""
    parent, stop = os.getppid(), threading.Event()
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, lambda *_: stop.set())
    server = grpc.server(
        ThreadPoolExecutor(_THREADS),
        options=[
            ("grpc.max_receive_message_length", _MAX_MESSAGE),
            ("grpc.max_send_message_length", _MAX_MESSAGE),
            ("grpc.so_reuseport", 0),
        ],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(plugin, stop), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    while not stop.wait(0.2) and os.getppid() == parent:
        pass
    server.stop(_GRACE_SECONDS).wait()
    plugin.close()
    # A call that outlasts the grace must not keep the process: no orphan holds a lock.
    os._exit(0)
