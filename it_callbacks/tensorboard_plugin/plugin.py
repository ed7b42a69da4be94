"""Serve the tab: a closed table of routes, each answering GET and changing nothing.

TensorBoard imports this module at every start, and a module that failed to load would stop it. So
nothing is imported here but the standard library, what TensorBoard itself consists of, and rooms
of ours that need no more.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from importlib import resources
from threading import Lock
from typing import Any, NamedTuple

from tensorboard import errors, plugin_util
from tensorboard.backend import http_util
from tensorboard.context import RequestContext
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from it_callbacks import figures, findings, logs, tables
from it_callbacks.records import is_read_by_rulers
from it_callbacks.runs import Key, Outline, Run, natural, outlines
from it_callbacks.set_order import in_order
from it_callbacks.tensorboard_plugin import query

_SCRIPTS = (
    *("index", "chart", "chips", "controls", "dom", "findings", "help", "highlight", "host"),
    *("keys", "live", "play", "runs", "state", "table"),
)
_STATIC = {**{f"/{name}.js": "text/javascript" for name in _SCRIPTS}, "/style.css": "text/css"}
_AN_HOUR = 3600
_OF_A_READING = ("title", "about", "options")
_OF_A_KIND = ("name", "title", "about", "monitor", "what", "options")
MOST_PANELS = 6
"""Side by side; more could not be read."""
MOST_RUNS = 30
"""Over each other, or in one mean."""
_IN_ONE = ("overlay", "mean")

_MOST_KEPT = 20
"""Answers, as they were sent."""


class _Kept(NamedTuple):
    """What was sent, and what the log was then, by the stamps of its tags."""

    state: Any
    text: str


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
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._lock = Lock()

    def get_plugin_apps(self) -> dict[str, Any]:
        """From each path to what answers there."""
        answers: dict[str, Answer] = {path: _static(path, _STATIC[path]) for path in _STATIC}
        answers |= {
            "/plotly.js": _plotly,
            "/state": self._state,
            "/figure": self._figure,
            "/findings": self._findings,
            "/csv": self._csv,
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
        """What can be chosen, the run that started last, and when each had its last point."""
        log = self._log(*_where(request))
        tags = log.tags()
        offered = {
            outline.run.name: (folder, outline.run, choices)
            for folder, several in log.outlines(tags).items()
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
        if any(any(choices["maps"].values()) for _, _, choices in offered.values()):
            rows[figures.DIFFERENCE.name] = figures.DIFFERENCE
        return _json(
            request,
            {
                "sets": in_order(
                    set_
                    for _, _, choices in offered.values()
                    for sets in choices["figures"].values()
                    for set_ in sets
                ),
                "runs": [
                    {
                        "name": name,
                        **choices,
                        "layers": {set_: _n_layers(run, set_) for set_ in choices["readings"]},
                        "last": max(wall_time for _, wall_time in tags[folder].values()),
                    }
                    for name, (folder, run, choices) in ((name, offered[name]) for name in names)
                ],
                "newest": newest,
                "opens_at": figures.OPENS_AT,
                "now": time.time(),
                "kinds": [
                    {
                        **{key: getattr(kind, key) for key in _OF_A_KIND},
                        "also": "maps" if kind.name == "map" else "",
                    }
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
                "most_runs": MOST_RUNS,
                "config": figures.CONFIG,
            },
        )

    def _figure(self, request: wrappers.Request) -> wrappers.Response:
        """The figure that the query asks for."""

        def draw(asked: query.Asked, log: logs.Log, found: Outlines) -> str:
            return _as_json(figures.draw(asked.request, self._panels(asked, log, found)))

        return _respond(request, self._made(request, draw), "application/json")

    def _findings(self, request: wrappers.Request) -> wrappers.Response:
        """What the runs of the query have come to, in sentences."""

        def tell(asked: query.Asked, log: logs.Log, found: Outlines) -> str:
            chosen = _chosen(asked, log, found)[:MOST_RUNS]
            wanted = {run.name: findings.needed(run) for run in chosen}
            read = _read(log, found, wanted)
            is_mean = asked.request.arrange == "mean"
            tell = findings.findings if is_mean else findings.findings_of_each
            told = tell([read[run.name] for run in chosen], asked.sets)
            return _as_json({"findings": [each.as_dict() for each in told]})

        return _respond(request, self._made(request, tell), "application/json")

    def _csv(self, request: wrappers.Request) -> wrappers.Response:
        """Every value that the figure of the same query shows, as a table."""

        def write(asked: query.Asked, log: logs.Log, found: Outlines) -> str:
            runs = figures.shown_values(asked.request, self._panels(asked, log, found))
            places = [(run.name, key.tag) for run in runs for key in run.series]
            order = {place: number for number, place in enumerate(places)}
            rows = tables.tidy(runs)  # by step, and stays so within a series
            rows.sort(key=lambda row: order[str(row["run"]), str(row["tag"])])
            return tables.as_csv(rows)

        headers = [("Content-Disposition", "attachment")]
        return _respond(request, self._made(request, write), "text/csv", headers=headers)

    def _made(
        self, request: wrappers.Request, make: Callable[[query.Asked, logs.Log, Outlines], str]
    ) -> str:
        """What `make` makes of a query; made anew once the log has another value."""
        try:
            asked = query.parse(request.args)
        except query.QueryError as error:
            raise errors.InvalidArgumentError(str(error)) from error
        log = self._log(*_where(request))
        state, found = _asked_for(asked, log)
        place = log.experiment, request.full_path
        kept = self._kept.get(place)
        if kept is None or kept.state != state:
            try:
                kept = _Kept(state, make(asked, log, found))
            except query.QueryError as error:
                raise errors.NotFoundError(str(error)) from error
            with self._lock:
                self._kept = dict([*self._kept.items(), (place, kept)][-_MOST_KEPT:])
        return kept.text

    def _panels(self, asked: query.Asked, log: logs.Log, found: Outlines) -> list[figures.Panel]:
        """The panels that are asked for, with the values that the figure needs."""
        runs = _chosen(asked, log, found)
        # A panel that lacks the reading or the view says so itself.
        request = replace(asked.request, reading=None, view=next(iter(figures.VIEWS)))
        shown = figures.panels(request, runs, asked.sets)
        query.check_panels(asked, shown, shown or figures.panels(request, runs))
        shown = shown[: MOST_RUNS if asked.request.arrange in _IN_ONE else MOST_PANELS]
        read = _read(log, found, figures.needed(asked.request, shown))
        return [replace(panel, run=read.get(panel.run.name, panel.run)) for panel in shown]


def _chosen(asked: query.Asked, log: logs.Log, found: Outlines) -> list[Run]:
    """The runs that are asked for, without values.

    Raises:
        query.QueryError: There is no such run.
    """
    outline_of = {each.run.name: each for several in found.values() for each in several}
    for name in asked.runs:
        if name not in outline_of:
            every = (e for several in log.outlines(log.tags()).values() for e in several)
            names = sorted((each.run.name for each in every), key=natural)
            raise query.unknown("run", name, names)
    return [outline_of[name].run for name in asked.runs]


def _read(log: logs.Log, found: Outlines, wanted: Mapping[str, Collection[Key]]) -> dict[str, Run]:
    """Runs by name, with the values that are wanted of each."""
    return {
        run.name: run
        for folder, several in found.items()
        for run in log.read(folder, [o for o in several if o.run.name in wanted], wanted)
    }


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


def _n_layers(run: Run, set_: str) -> int:
    """How many layers a plane has, in any reading."""
    names = {reading.views["linear"].x for reading in figures.READINGS.values()}
    return max(len(run.layers(name, set_)) for name in names)


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
