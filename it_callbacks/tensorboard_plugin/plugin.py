"""Serve the tab: a closed table of routes, each answering GET and changing nothing.

TensorBoard imports this module at every start, and a module that failed to load would stop it. So
nothing is imported here but the standard library, what TensorBoard itself consists of, and rooms
of ours that need no more.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import resources
from threading import Lock
from typing import Any, NamedTuple

from tensorboard import errors, plugin_util
from tensorboard.backend import http_util
from tensorboard.context import RequestContext
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from it_callbacks import figures, logs
from it_callbacks.records import is_read_by_rulers
from it_callbacks.runs import Outline, natural, outlines
from it_callbacks.tensorboard_plugin import query

_STATIC = {
    "/index.js": "text/javascript",
    "/chart.js": "text/javascript",
    "/controls.js": "text/javascript",
    "/host.js": "text/javascript",
    "/style.css": "text/css",
}
_AN_HOUR = 3600
_OF_A_READING = ("title", "about", "options")
_OF_A_KIND = ("name", "title", "monitor", "what", "options")
MOST_PANELS = 6
"""Side by side; more could not be read."""

_MOST_KEPT = 20
"""Figures, as they were sent."""


class _Drawn(NamedTuple):
    """A figure that was sent, and what the log was then, by the stamps of its tags."""

    state: Any
    figure: str


Outlines = Mapping[str, list[Outline]]
Answer = Callable[[wrappers.Request], wrappers.Response]


class InformationPlanePlugin(base_plugin.TBPlugin):  # type: ignore[misc] # it ships no types
    """Answers what the tab asks for, from the scalars of the logs that TensorBoard shows.

    Args:
        context: What TensorBoard gives each plugin.
    """

    plugin_name = "information_plane"

    def __init__(self, context: base_plugin.TBContext) -> None:
        # Not the multiplexer: under the fast loader there is none.
        self._data = context.data_provider
        self._outlines: dict[str, dict[str, Any]] = defaultdict(dict)
        self._drawn: dict[tuple[str, bytes], _Drawn] = {}
        self._lock = Lock()

    def get_plugin_apps(self) -> dict[str, Any]:
        """From each path to what answers there."""
        answers: dict[str, Answer] = {path: _static(path, _STATIC[path]) for path in _STATIC}
        answers |= {
            "/plotly.js": _plotly,
            "/state": self._state,
            "/figure": self._figure,
        }
        return {path: _get_only(answer) for path, answer in answers.items()}

    def is_active(self) -> bool:
        """Whether some run holds a figure; asked for at each listing, so no value is read."""
        tags = self._log(RequestContext(), "").tags()
        return any(
            figures.offered(outline.run)
            for run, run_tags in tags.items()
            for outline in outlines(run, run_tags, {})
        )

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """The name of the tab and its script."""
        return base_plugin.FrontendMetadata(
            es_module_path="/index.js", tab_name="Information plane"
        )

    def _log(self, context: Any, experiment: str) -> logs.Log:
        return logs.Log(self._data, context, experiment, self._outlines[experiment])

    def _state(self, request: wrappers.Request) -> wrappers.Response:
        """What can be chosen, and the run that started last."""
        log = self._log(*_where(request))
        offered = {
            outline.run.name: (folder, outline.run, choices)
            for folder, several in log.outlines(log.tags()).items()
            for outline in several
            if (choices := figures.offered(outline.run)) is not None
        }
        started = {
            run.run_name: run.start_time or 0.0
            for run in self._data.list_runs(log.context, experiment_id=log.experiment)
        }
        names = sorted(offered, key=natural)
        newest = max(names, key=lambda name: started.get(offered[name][0], 0.0), default=None)
        rows = {
            name: run.about(name)
            for _, run, choices in offered.values()
            for names_of_set in choices["quantities"].values()
            for name in names_of_set
        }
        return _json(
            request,
            {
                "runs": [{"name": name, **offered[name][2]} for name in names],
                "newest": newest,
                "kinds": [
                    {key: getattr(kind, key) for key in _OF_A_KIND}
                    for kind in figures.KINDS.values()
                ],
                "readings": [
                    {"name": name, **{key: getattr(each, key) for key in _OF_A_READING}}
                    for name, each in figures.READINGS.items()
                ],
                "views": [{"name": name, **view._asdict()} for name, view in figures.VIEWS.items()],
                "quantities": {
                    name: {
                        "title": row.label,
                        "about": row.meaning,
                        "by_rulers": is_read_by_rulers(name),
                    }
                    for name, row in rows.items()
                },
                "most_panels": MOST_PANELS,
                "config": figures.CONFIG,
            },
        )

    def _figure(self, request: wrappers.Request) -> wrappers.Response:
        """The figure that the query asks for; drawn anew once the log has another value."""
        try:
            asked = query.parse(request.args)
        except query.QueryError as error:
            raise errors.InvalidArgumentError(str(error)) from error
        log = self._log(*_where(request))
        state = _asked_for(asked, log)
        place = log.experiment, request.query_string
        drawn = self._drawn.get(place)
        if drawn is None or drawn.state != state:
            try:
                panels = self._panels(asked, log, state[1])
            except query.QueryError as error:
                raise errors.NotFoundError(str(error)) from error
            drawn = _Drawn(state, _as_json(figures.draw(asked.request, panels)))
            with self._lock:
                self._drawn = dict([*self._drawn.items(), (place, drawn)][-_MOST_KEPT:])
        return _respond(request, drawn.figure, "application/json")

    def _panels(
        self, asked: query.Asked, log: logs.Log, found: Outlines | None = None
    ) -> list[figures.Panel]:
        """The panels that are asked for, with the values that the figure needs."""
        if found is None:
            _, found = _asked_for(asked, log)
        outline_of = {each.run.name: each for several in found.values() for each in several}
        for name in asked.runs:
            if name not in outline_of:
                every = (e for several in log.outlines(log.tags()).values() for e in several)
                names = sorted((each.run.name for each in every), key=natural)
                raise query.unknown("run", name, names)
        runs = [outline_of[name].run for name in asked.runs]
        # A panel that lacks the reading or the view says so itself.
        request = replace(asked.request, reading=None, view=next(iter(figures.VIEWS)))
        shown = figures.panels(request, runs, asked.sets)
        query.check_panels(asked, shown, shown or figures.panels(request, runs))
        shown = shown[:MOST_PANELS]
        wanted = figures.needed(asked.request, shown)
        read = {
            run.name: run
            for folder, several in found.items()
            for run in log.read(folder, [o for o in several if o.run.name in wanted], wanted)
        }
        return [replace(panel, run=read.get(panel.run.name, panel.run)) for panel in shown]


def _asked_for(
    asked: query.Asked, log: logs.Log
) -> tuple[dict[str, dict[str, logs.Stamp]], Outlines]:
    """The folders of the runs that are asked for: their tags and what is in them."""
    # A run is called as its folder, or as that and the prefix of a logger.
    stamps = {
        folder: tags
        for folder, tags in log.tags().items()
        if any(name == folder or name.startswith(f"{folder} (") for name in asked.runs)
    }
    return stamps, log.outlines(stamps)


def _get_only(answer: Answer) -> Any:
    @wrappers.Request.application
    def app(request: wrappers.Request) -> wrappers.Response:
        if request.method not in ("GET", "HEAD"):
            return _respond(
                request, "only GET", "text/plain", code=405, headers=[("Allow", "GET, HEAD")]
            )
        return answer(request)

    return app


def _respond(*arguments: Any, **options: Any) -> wrappers.Response:
    response: wrappers.Response = http_util.Respond(*arguments, **options)
    return response


def _json(request: wrappers.Request, value: Any) -> wrappers.Response:
    return _respond(request, _as_json(value), "application/json")


def _as_json(value: Any) -> str:
    # TensorBoard's own conversion visits every number in Python; figures need none.
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _static(path: str, kind: str) -> Answer:
    file = resources.files(__package__).joinpath("static", path[1:])
    return lambda request: _respond(request, file.read_bytes(), kind)


def _plotly(request: wrappers.Request) -> wrappers.Response:
    try:
        script = figures.plotly_script()
    except FileNotFoundError as error:
        raise errors.NotFoundError(str(error)) from error
    return _respond(request, script, "text/javascript", expires=_AN_HOUR)


def _where(request: wrappers.Request) -> tuple[Any, str]:
    environ = request.environ
    return plugin_util.context(environ), plugin_util.experiment_id(environ)
