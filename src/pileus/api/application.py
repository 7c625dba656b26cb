"""The ASGI application, with all routes."""

from functools import partial

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import ASGIApp

from pileus.api import authorization, errors, openapi_documents, routes
from pileus.api.client_scope import provide_client_scope
from pileus.api.context import CONTEXT, AppState, RequestContext
from pileus.api.dispatcher import Dispatch, dispatch_directly
from pileus.api.immediate_answers import ImmediateAnswers
from pileus.api.middleware import RequestObserver, ServerMetrics, answer_head_as_get, instrument_requests
from pileus.api.operations import OperationIndex
from pileus.api.request_log.exchanges import record_exchanges
from pileus.api.requests import BodyDecodingRequest
from pileus.api.responses import JsonResponse
from pileus.api.route_registration import Application, RouteCollection
from pileus.api.routes import consoles, health, simulated_consoles, simulation
from pileus.api.tag_filters import provide_tag_filter
from pileus.drivers.protocols.compute import SupportsSimulation
from pileus.drivers.protocols.consoles import SupportsScreenStreams
from pileus.settings import Settings


def create_app(
    settings: Settings, state: AppState | None, metrics: ServerMetrics, dispatch: Dispatch = dispatch_directly
) -> Litestar:
    """Make the application; without `state` it serves only to read its routes and its schema.

    Routes of simulation and consoles exist if a driver supports them, those of control always. `dispatch` wraps all.
    """
    app = _make_framework(settings, state, metrics)
    # Outside the router, so that unknown routes and wrong methods also get a request id and are counted.
    framework, observer = answer_head_as_get(app.asgi_handler), RequestObserver(metrics)
    if state is None:
        app.asgi_handler = instrument_requests(framework, observer)
    else:
        state.operations = state.http_faults.operations = OperationIndex(app)
        answer = _forward_to_cells(_forward_requests(dispatch(app, state, framework), settings, state), settings, state)
        app.asgi_handler = instrument_requests(answer, observer, state.http_faults)
        _complete(app, state, observer)
    return app


def _make_framework(settings: Settings, state: AppState | None, metrics: ServerMetrics) -> Application:
    has_simulation = state is None or state.drivers.any_has(SupportsSimulation)
    has_consoles = state is None or state.drivers.any_has(SupportsScreenStreams)
    return Application(
        route_handlers=[
            RouteCollection(
                [
                    *routes.ROUTES,
                    health.make_metrics_route(key_required=settings.metrics_key_required),
                    *(simulated_consoles.ROUTES if has_simulation else []),
                ]
            ),
            RouteCollection(
                [*simulation.CONTROL_ROUTES, *(simulation.ROUTES if has_simulation else [])],
                path="/_pileus",
                tags=["Simulation"],
            ),
            *([consoles.ROUTER] if has_consoles else []),
        ],
        before_request=authorization.authorize,
        dependencies=_make_dependencies(),
        exception_handlers=errors.HANDLERS,
        request_class=BodyDecodingRequest,
        response_class=JsonResponse,
        logging_config=None,
        request_max_body_size=settings.body_limit,
        openapi_config=openapi_documents.openapi_config(partial(_make_framework, settings, state, metrics)),
        state=_make_state(settings, state, metrics),
    )


def _complete(app: Litestar, state: AppState, observer: RequestObserver) -> None:
    """Wrap the application in the request log, and let it answer early if no other server has a part in that."""
    if state.request_log:
        app.asgi_handler = record_exchanges(app.asgi_handler, state.request_log.log)
    if not state.drivers.remote and state.cells is None:
        app.state.immediate_answers = ImmediateAnswers(state, observer)


def _forward_requests(app: ASGIApp, settings: Settings, state: AppState) -> ASGIApp:
    """Wrap the application of a server that lacks the drivers of some regions; return others as they are."""
    if not state.drivers.remote:
        return app
    from pileus.api.forwarded_requests import RequestForwarder  # noqa: PLC0415  # it takes long to load

    return RequestForwarder(app, state.db, settings.body_limit).handle


def _forward_to_cells(app: ASGIApp, settings: Settings, state: AppState) -> ASGIApp:
    """Wrap the application of a server whose cloud has several cells; return others as they are."""
    if state.cells is None:
        return app
    from pileus.api.cell_requests import CellRequestForwarder  # noqa: PLC0415  # it takes long to load

    return CellRequestForwarder(app, state.cells, settings.body_limit).handle


def _make_dependencies() -> dict[str, Provide]:
    """Return what handlers can take as parameters, by name."""
    return {
        "ctx": Provide(provide_context, sync_to_thread=False),
        "client_scope": Provide(provide_client_scope),
        "app_state": Provide(provide_app_state, sync_to_thread=False),
        "metrics": Provide(provide_metrics, sync_to_thread=False),
        "tag_filter": Provide(provide_tag_filter, sync_to_thread=False),
    }


def _make_state(settings: Settings, state: AppState | None, metrics: ServerMetrics) -> State:
    """Make what the framework passes to requests."""
    legacy_fields = settings.legacy_fields if state is None else state.legacy_fields
    strict = state is not None and state.strict
    return State(
        {
            "app_state": state,
            "metrics": metrics,
            "legacy_fields": legacy_fields,
            "strict": strict,
            "immediate_answers": None,
        }
    )


def provide_context() -> RequestContext:
    """Provide the parameter `ctx` of handlers."""
    return CONTEXT.get()


def provide_app_state(request: BodyDecodingRequest) -> AppState:
    """Provide the parameter `app_state` of handlers."""
    state: AppState = request.app.state.app_state
    return state


def provide_metrics(request: BodyDecodingRequest) -> ServerMetrics:
    """Provide the parameter `metrics` of handlers."""
    metrics: ServerMetrics = request.app.state.metrics
    return metrics
