"""The tab's server side: a closed table of routes, each answering GET and changing nothing.

TensorBoard imports this module at every start, and a module that failed to load would stop it. So
nothing is imported here but the standard library, what TensorBoard itself consists of, and rooms
of ours that need no more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

from tensorboard import errors, plugin_util
from tensorboard.backend import http_util
from tensorboard.context import RequestContext
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from it_callbacks import logs
from it_callbacks.figures import CONFIG, VIEWS
from it_callbacks.figures.script import plotly_script
from it_callbacks.runs import Run, natural, parse_tag
from it_callbacks.tensorboard_plugin import choices

_STATIC = {
    "/index.js": "text/javascript",
    "/chart.js": "text/javascript",
    "/controls.js": "text/javascript",
    "/host.js": "text/javascript",
    "/style.css": "text/css",
}
_AN_HOUR = 3600

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

    def get_plugin_apps(self) -> dict[str, Any]:
        """From each path to what answers there."""
        answers: dict[str, Answer] = {path: _static(path, _STATIC[path]) for path in _STATIC}
        answers |= {"/plotly.js": _plotly, "/state": self._state, "/figure": self._figure}
        return {path: _get_only(answer) for path, answer in answers.items()}

    def is_active(self) -> bool:
        """Whether some run holds a figure; asked for at each listing, so no value is read."""
        found = logs.tags_of(self._data, RequestContext(), "")
        return any(
            choices.has_a_figure(tag.key for tag in map(parse_tag, tags) if tag is not None)
            for tags in found.values()
        )

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """The name of the tab and its script."""
        return base_plugin.FrontendMetadata(
            es_module_path="/index.js", tab_name="Information plane"
        )

    def _state(self, request: wrappers.Request) -> wrappers.Response:
        """What can be chosen, the run that started last being named."""
        where = _where(request)
        found = logs.outlines(self._data, *where)
        described = {
            run.name: (name, description)
            for name, runs in found.items()
            for run in runs
            if (description := choices.described(run)) is not None
        }
        started = {
            run.run_name: run.start_time or 0.0
            for run in self._data.list_runs(where[0], experiment_id=where[1])
        }
        names = sorted(described, key=natural)
        newest = max(names, key=lambda name: started.get(described[name][0], 0.0), default=None)
        return _json(
            request,
            {
                "runs": [described[name][1] for name in names],
                "newest": newest,
                "views": VIEWS,
                "most_panels": choices.MOST_PANELS,
                "config": CONFIG,
            },
        )

    def _figure(self, request: wrappers.Request) -> wrappers.Response:
        """The figure that the query asks for."""
        try:
            asked = choices.parse(request.args)
        except choices.ChoiceError as error:
            raise errors.InvalidArgumentError(str(error)) from error
        try:
            shown = choices.panels(asked, self._read(asked, *_where(request)))
            return _json(request, choices.draw(asked, shown))
        except choices.ChoiceError as error:
            raise errors.NotFoundError(str(error)) from error

    def _read(self, asked: choices.Request, context: Any, experiment: str) -> list[Run]:
        """The runs that are asked for, with the series that the figure needs."""
        tags = logs.tags_of(self._data, context, experiment)
        home = {name: run for run in tags for name in logs.names(run, tags[run])}
        for name in asked.runs:
            if name not in home:
                raise choices.unknown("run", name, sorted(home, key=natural))
        read: dict[str, Run] = {}
        for folder in dict.fromkeys(home[name] for name in asked.runs):
            runs = logs.read_run(
                self._data,
                context,
                experiment,
                folder,
                tags[folder],
                wanted=lambda run: choices.needed(asked, run),
            )
            read |= {run.name: run for run in runs}
        return [read[name] for name in asked.runs]


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
    # TensorBoard's own conversion visits every number in Python; figures need none.
    return _respond(request, json.dumps(value, allow_nan=False), "application/json")


def _static(path: str, kind: str) -> Answer:
    file = resources.files(__package__).joinpath("static", path[1:])
    return lambda request: _respond(request, file.read_bytes(), kind)


def _plotly(request: wrappers.Request) -> wrappers.Response:
    try:
        script = plotly_script()
    except FileNotFoundError as error:
        raise errors.NotFoundError(str(error)) from error
    return _respond(request, script, "text/javascript", expires=_AN_HOUR)


def _where(request: wrappers.Request) -> Sequence[Any]:
    environ = request.environ
    return plugin_util.context(environ), plugin_util.experiment_id(environ)
