"""The application: endpoints found in `web.routes`, the push, the pages, and what stands before them.

`uvicorn perpscope.web.app:app` serves what the configuration and the environment say; nothing is kept between starts.
"""

import asyncio
import contextlib
import importlib
import pkgutil
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import structlog
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from perpscope import config
from perpscope.app import api_keys, buses, places
from perpscope.app.alerts.service import AlertService
from perpscope.app.alerts.sink import SinkMaker
from perpscope.app.face import TOPICS, Live
from perpscope.app.shown_market import Following, ShownMarket
from perpscope.ports import Subscriber
from perpscope.settings import Settings
from perpscope.web import dashboard, openapi, pages, routes, tickets
from perpscope.web.answers import Answers, ready
from perpscope.web.desk import Desk
from perpscope.web.endpoint import Endpoint
from perpscope.web.front import Front
from perpscope.web.guard import Demand, Guard
from perpscope.web.ops import Ops
from perpscope.web.pages import Page
from perpscope.web.problem import problem
from perpscope.web.push import Hub
from perpscope.web.push import routes as push_routes
from perpscope.web.routes import backtests, trade
from perpscope.web.sources import Sources
from perpscope.web.tickets import Tickets
from perpscope.web.traffic import Requests, Traffic
from perpscope.web.warming import warm

_log = structlog.get_logger()
_IN_PATH = re.compile(r"\{(\w+)\}")


def create_app(
    settings: Settings,
    database: Path | None,
    *,
    live: Live | None = None,
    endpoints: Sequence[Endpoint] | None = None,
    sinks: SinkMaker | None = None,
) -> ASGIApp:
    """The face of one store, or of one heart.

    Args:
        settings: the whole tree.
        database: the store; None = a replica, which has none.
        live: what the heart tells; None = listen to the bus of the settings.
        endpoints: None = those of `web.routes`.
        sinks: makes what alerts are told by; None = they are on the page and in the log alone.

    Raises:
        ConfigError: a setting is wrong.
    """
    shown = None if database is None else ShownMarket(database)
    heard = Live(_subscriber(settings, database, shown)) if live is None else live
    sources = Sources(settings, database, heard, buses.cache(settings, database), shown=shown)
    answers = Answers(sources)
    served = found() if endpoints is None else tuple(endpoints)
    hub = Hub(settings.web, heard, answers, served)
    given, traffic = Tickets(), Traffic()
    works: dict[str, Callable[[], Awaitable[None]]] = {"heart": heard.run, "push": hub.run}
    if database is not None:
        works["backtests"] = sources.backtests().run
        works["alerts"] = AlertService(settings, database, heard, sinks).run
        works["warming"] = partial(warm, heard, answers, served)
    app = _framework(_lifespan(works, sources, answers))
    app.router.routes[:] = [
        *backtests.routes(sources),
        *trade.routes(sources),
        *desks(served, answers),
        *push_routes(hub),
        tickets.route(given),
        *Ops(sources, answers, traffic, lambda: _push_figures(hub)).routes(),
        *_pages(settings, served),
    ]
    return Requests(_guarded(app, settings, given, served), traffic)


def _subscriber(settings: Settings, database: Path | None, shown: ShownMarket | None) -> Subscriber | None:
    """What is listened to: Redis where it is set, else the heart of whichever market is shown."""
    if shown is None or settings.redis.bus:
        return buses.subscriber(settings, database, TOPICS)
    return Following(shown, lambda store: buses.local(store, TOPICS))


def _framework(lifespan: Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]) -> FastAPI:
    """Without its own pages and errors."""
    return FastAPI(
        title="perpscope",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        exception_handlers={HTTPException: _refused},
    )


def _guarded(app: FastAPI, settings: Settings, given: Tickets, served: Sequence[Endpoint]) -> ASGIApp:
    """What stands before the application."""
    front = Front(app, _straight(app.router.routes))
    return Guard(front, settings.web, api_keys.of(settings.web), tickets=given, demands=_demands(served))


def _lifespan(
    works: Mapping[str, Callable[[], Awaitable[None]]], sources: Sources, answers: Answers
) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    """What runs beside the requests, and what is let go at the end."""

    async def run(name: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception:
            _log.exception("a part of the face failed", part=name)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        running = [asyncio.create_task(run(name, work)) for name, work in works.items()]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            answers.close()
            await sources.live.aclose()
            await sources.cache.aclose()

    return lifespan


def found() -> tuple[Endpoint, ...]:
    """Every endpoint there is, by listing the modules of `web.routes`."""
    listed = sorted(module.name for module in pkgutil.iter_modules(routes.__path__))
    modules = [importlib.import_module(f"{routes.__name__}.{name}") for name in listed]
    return tuple(endpoint for module in modules for endpoint in getattr(module, "ENDPOINTS", ()))


def desks(endpoints: Sequence[Endpoint], answers: Answers) -> list[BaseRoute]:
    """A route for each path of each endpoint; paths without a name in them first."""
    made = []
    for endpoint in endpoints:
        for path in endpoint.paths:
            names = frozenset(_IN_PATH.findall(path))
            made.append((bool(names), Route(path, Desk(endpoint, answers, names))))
    return [route for _, route in sorted(made, key=lambda pair: pair[0])]


def _straight(made: Sequence[BaseRoute]) -> dict[str, ASGIApp]:
    """What can be found by the whole of its path."""
    ours = (Desk, Page, pages.Documents)
    known = [route for route in made if isinstance(route, Route) and isinstance(route.app, ours)]
    return {route.path: route.app for route in known if "{" not in route.path}


def _demands(endpoints: Sequence[Endpoint]) -> Mapping[str, Demand]:
    """What each path asks of its caller."""
    asked = {
        path: Demand(scope=api_keys.Scope(endpoint.scope), cost=endpoint.cost)
        for endpoint in endpoints
        for path in endpoint.paths
    }
    return {**asked, **backtests.DEMANDS, **trade.DEMANDS}


def _pages(settings: Settings, endpoints: Sequence[Endpoint]) -> list[BaseRoute]:
    """The dashboard, the docs where they are wanted, and the files of both."""
    schema = ready(openapi.encoded(openapi.document(endpoints)))
    made: dict[str, ASGIApp] = {**dashboard.served()}
    made |= {f"/static/{name}": Page(pages.page(name), "static") for name in pages.names()}
    made["/favicon.ico"] = Page(pages.page("icon.svg"), "static")
    docs = {
        "/docs": Page(pages.page("docs.html"), "docs"),
        "/docs/errors": Page(pages.errors_page(), "docs"),
        "/openapi.json": Page(schema, "openapi"),
    }
    made |= {path: pages.Documents(page, settings.web) for path, page in docs.items()}
    return [Route(path, page) for path, page in made.items()]


def _push_figures(hub: Hub) -> Mapping[str, float]:
    return {"connections": hub.connections, "channels": len(hub.channels), "closed_slow_total": hub.closed_slow}


async def _refused(request: Request, error: Exception) -> Response:
    """404 and 405, as problems."""
    path = request.url.path
    status = getattr(error, "status_code", 500)
    if status == 405:
        allowed = dict(getattr(error, "headers", None) or {})
        return problem(405, "method-not-allowed", f"no {request.method[:20]} here", instance=path, headers=allowed)
    if status == 404:
        return problem(404, "path-unknown", f"there is nothing at {path[:200]}", instance=path, hint="see /docs")
    return problem(status, "request-invalid", str(getattr(error, "detail", "")), instance=path)


def _from_environment() -> ASGIApp:
    """The app that the configuration and the environment mean."""
    loaded = config.load()
    settings = loaded.settings
    database, _ = places.database(settings.database.path)
    is_replica = bool(settings.redis.bus) and not database.is_file() and "database.path" not in loaded.origins
    return create_app(settings, None if is_replica else database)


def __getattr__(name: str) -> ASGIApp:
    """`app`, made when it is asked for."""
    if name != "app":
        raise AttributeError(f"module {__name__} has no {name}")
    made = _from_environment()
    globals()["app"] = made
    return made
