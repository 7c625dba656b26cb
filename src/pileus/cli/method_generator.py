"""Make the table of the operations behind the commands of resources, from the official client and our API reference."""

import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from operator import attrgetter
from typing import Any, Literal

import gcore
import httpx
import msgspec
from msgspec.structs import replace

from pileus.cli.resource_kinds import RESOURCE_KINDS, ResourceKind
from pileus.cli.resource_methods import KindMethods, MethodParameter, MethodTable, ResourceMethod, Variant
from pileus.cli.signatures import (
    PROJECT,
    REGION,
    RecordedRequest,
    describe_request,
    plain_sentence,
    read_parameters,
    read_variants,
    sample_arguments,
)

VERB_NAMES = {"get": "show", "get_all": "list"}
FIRST_VERBS = ("list", "show", "create", "update", "delete")
ACTION_TEXTS = {
    "start": "Power it on.",
    "stop": "Power it off.",
    "reboot": "Reboot its operating system.",
    "reboot_hard": "Power-cycle it.",
    "suspend": "Suspend it and keep its memory.",
    "resume": "Resume it after a suspension.",
}
CLIENT_URL = "http://client"
PATH_PARAMETER = re.compile(r"\{\w+\}")
DEPRECATED = "Deprecated"
Document = Mapping[str, Any]


class RequestRecorder:
    """The official client on a transport that keeps requests and answers with an error."""

    def __init__(self) -> None:
        self._requests: list[httpx.Request] = []
        http_client = httpx.Client(transport=httpx.MockTransport(self._answer))
        self.cloud = gcore.Gcore(
            api_key="-",
            base_url=CLIENT_URL,
            cloud_project_id=PROJECT,
            cloud_region_id=REGION,
            max_retries=0,
            http_client=http_client,
        ).cloud

    def record(self, method: Any, arguments: Mapping[str, Any]) -> RecordedRequest:
        """Return the request that a method sends."""
        with suppress(gcore.APIStatusError), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            method(**arguments)
        return describe_request(self._requests.pop(), arguments)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self._requests.append(request)
        return httpx.Response(httpx.codes.IM_A_TEAPOT, json={})


def make_method_table(openapi_json: str, task_types: Iterable[str]) -> str:
    """Return the table as JSON. The OpenAPI document has the texts and the fields of resources."""
    recorder = RequestRecorder()
    document = json.loads(openapi_json)
    kinds = {kind.word: _describe_kind(recorder, kind, document) for kind in RESOURCE_KINDS.values()}
    table = MethodTable(task_types=tuple(sorted(task_types)), kinds=kinds)
    return json.dumps(msgspec.to_builtins(table), indent=1, ensure_ascii=False) + "\n"


def _describe_kind(recorder: RequestRecorder, kind: ResourceKind, document: Document) -> KindMethods:
    resource = attrgetter(kind.path)(recorder.cloud)
    verbs: dict[str, ResourceMethod] = {}
    for verb, method, fixed in _find_verbs(resource, kind):
        verbs[verb] = _describe_method(recorder, kind, method, fixed, document)
    order = [*(verb for verb in FIRST_VERBS if verb in verbs), *sorted(verbs.keys() - set(FIRST_VERBS))]
    first_read = next((verbs[verb] for verb in order if verbs[verb].result in ("list", "record")), None)
    properties = _properties(document, first_read) if first_read else {}
    deprecated = [name for name, schema in properties.items() if schema.get("deprecated")]
    return KindMethods(
        fields=tuple(name for name in properties if name not in deprecated),
        deprecated_fields=tuple(deprecated),
        verbs={verb: verbs[verb] for verb in order},
    )


def _find_verbs(resource: Any, kind: ResourceKind) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield the verbs with their methods and the arguments that they imply."""
    for name in dir(resource):
        if name.startswith(("_", "with_")) or name.endswith("_and_poll") or name == "poll":
            continue
        method = getattr(resource, name)
        if name == "action":
            for action in next(
                parameter for parameter in read_parameters(method) if parameter.name == "action"
            ).choices:
                yield action.replace("_", "-"), method, {"action": action}
        elif callable(method):
            yield VERB_NAMES.get(name, name.removeprefix("get_").replace("_", "-")), method, {}
    for verb, path in kind.extra_methods.items():
        yield verb, attrgetter(path)(resource), dict(kind.defaults)


def _describe_method(
    recorder: RequestRecorder, kind: ResourceKind, method: Any, fixed: dict[str, Any], document: Document
) -> ResourceMethod:
    parameters, variants = _select_parameters(method, kind, fixed)
    fixed |= {parameter.name: parameter.choices[0] for parameter in parameters if _is_determined(parameter)}
    arguments = sample_arguments(parameters)
    request = recorder.record(method, {**fixed, **arguments})
    operation = _operation(document, request)
    is_deprecated = operation.get("deprecated", False) or DEPRECATED in (method.__doc__ or "")[:80]
    help_text = ACTION_TEXTS.get(fixed.get("action", "")) or plain_sentence(operation["description"])
    return ResourceMethod(
        method=request.method,
        path=request.path,
        result=_result(method),
        help=f"{help_text} Deprecated." if is_deprecated and DEPRECATED not in help_text else help_text,
        is_deprecated=is_deprecated,
        fixed=fixed,
        parameters=tuple(
            _locate(replace(parameter, is_required=parameter.is_required and parameter.name not in fixed), request)
            for parameter in parameters
        ),
        variants=tuple(variants),
    )


def _select_parameters(
    method: Any, kind: ResourceKind, fixed: Mapping[str, Any]
) -> tuple[list[MethodParameter], list[Variant]]:
    """Return the parameters that the verb does not imply, and the variants among which the caller chooses."""
    own_id = kind.id_parameter if kind.id_parameter in ("project_id", "region_id") else ""
    variants = read_variants(method)
    if "action" in fixed:
        chosen = next((variant for variant in variants if fixed["action"] in variant.literals["action"]), None)
        allowed = chosen.allowed if chosen else None
        variants = []
    else:
        allowed = None
    parameters = [
        parameter
        for parameter in read_parameters(method, own_id)
        if (parameter.name != "action" or "action" not in fixed) and (allowed is None or parameter.name in allowed)
    ]
    return parameters, variants


def _is_determined(parameter: MethodParameter) -> bool:
    """Return whether the client requires a parameter that has only one value."""
    return parameter.is_required and len(parameter.choices) == 1


def _result(method: Any) -> Literal["list", "record", "tasks", "nothing"]:
    returned = str(method.__annotations__.get("return"))
    if "TaskIDList" in returned:
        return "tasks"
    if returned == "None":
        return "nothing"
    return "list" if "Page" in returned or "List" in returned else "record"


def _locate(parameter: MethodParameter, request: RecordedRequest) -> MethodParameter:
    """Return a parameter with its place in the request. Raises LookupError if the request does not contain it."""
    if f"{{{parameter.name}}}" in request.path:
        return replace(parameter, location="path")
    dashed = parameter.name.replace("_", "-")
    if parameter.name not in request.locations and dashed in request.locations:
        return replace(parameter, location=request.locations[dashed], sent_name=dashed)
    if parameter.name not in request.locations and (sent_name := request.sent_names.get(parameter.name)):
        return replace(parameter, location=request.locations[sent_name], sent_name=sent_name)
    return replace(parameter, location=request.locations[parameter.name])


def _operation(document: Document, request: RecordedRequest) -> Mapping[str, Any]:
    """Return the operation of the API reference; parameters of its path may have other names."""
    shape = PATH_PARAMETER.sub("{}", request.path)
    for path, operations in document["paths"].items():
        if PATH_PARAMETER.sub("{}", path) == shape and request.method.lower() in operations:
            operation: Mapping[str, Any] = operations[request.method.lower()]
            return operation
    raise LookupError(f"{request.method} {request.path} is not served")


def _properties(document: Document, method: ResourceMethod) -> Mapping[str, Mapping[str, Any]]:
    """Return the fields of the resource that an operation answers with."""
    operation = _operation(document, RecordedRequest(method.method, method.path, {}))
    schema = _resolve(document, operation["responses"]["200"]["content"]["application/json"]["schema"])
    items = schema.get("properties", {}).get("results", {}).get("items")
    properties: Mapping[str, Mapping[str, Any]] = _resolve(document, items or schema).get("properties", {})
    return properties


def _resolve(document: Document, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in schema:
        return _resolve(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    return _resolve(document, schema["anyOf"][0]) if "anyOf" in schema else schema
