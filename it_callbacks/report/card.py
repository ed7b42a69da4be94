"""Put one run on a card: a still picture, what was found, and last values; for notebooks.

A notebook that was saved or exported runs no script, and may be opened where there is no network.
"""

from __future__ import annotations

from collections.abc import Iterator

from it_callbacks.findings import findings
from it_callbacks.report import phrases
from it_callbacks.report.markup import Html, joined, table, tag
from it_callbacks.report.sentences import sentences
from it_callbacks.report.values import prediction_tables, status_word
from it_callbacks.runs import Run
from it_callbacks.set_order import in_order
from it_callbacks.tables import layer_rows, wide_rows

_STYLE = """
.it-callbacks { max-width: 60rem; line-height: 1.4; }
.it-callbacks img { display: block; width: min(100%, 54rem); height: auto;
  background: #fff; border-radius: 6px; padding: 6px; box-sizing: border-box; }
.it-callbacks table { border-collapse: collapse; margin: .5rem 0; font-size: .85rem;
  font-variant-numeric: tabular-nums; }
.it-callbacks .wide { overflow-x: auto; }
.it-callbacks th, .it-callbacks td { text-align: left; padding: .2rem .6rem;
  border-bottom: 1px solid rgba(128, 128, 128, .4); }
.it-callbacks caption { text-align: left; opacity: .75; }
.it-callbacks .ok, .it-callbacks .caution, .it-callbacks .saturated { font-weight: 600; }
.it-callbacks .saturated { color: #d9534f; }
"""


def figure_card(run: Run, shown: Html) -> Html:
    """A picture, or what stands for one, and last values that are open only on demand."""
    values = joined(_values(run))
    folded = tag("details", tag("summary", "Last values"), values) if values else Html("")
    return _framed(shown, folded)


def run_card(run: Run, title: str, shown: Html) -> Html:
    """All there is to say of a run at a glance.

    Args:
        run: The run.
        title: Stands above.
        shown: A picture of it, or what stands for one.
    """
    found = findings([run])
    listed = sentences(found) if found else Html("")
    return _framed(tag("strong", title), shown, listed, *_values(run))


def _framed(*content: Html) -> Html:
    return tag("div", tag("style", Html(_STYLE)), *content, class_="it-callbacks")


def _values(run: Run) -> Iterator[Html]:
    for set_ in in_order([*run.sets("I_XT"), *run.sets("relative_I_XT")]):
        yield _last_of_layers(run, set_)
    yield from prediction_tables([run])


def _last_of_layers(run: Run, set_: str) -> Html:
    """A row for each layer: under each ruler, and at any width, its last values and status."""
    layers = run.layers("I_XT", set_)
    rulers = run.rulers(set_) if layers else []
    by_ruler = [{row.layer: row for row in layer_rows(run, set_, each)} for each in rulers]
    wide = {row.layer: row for row in wide_rows(run, set_)}
    head = ["layer"]
    for each in rulers:
        head += [f"I(X;T) {each.label}".rstrip(), "I(T;Y)", "status"]
    head += ["I(X;T+σZ)", "V(T→Y)", "status"] if wide else []
    rows = []
    for layer in layers or wide:
        cells = [layer]
        for of_layer in by_ruler:
            row = of_layer[layer]
            cells += [*map(phrases.number, (row.i_xt.last, row.i_ty.last)), status_word(row.status)]
        if layer in wide:
            at = wide[layer]
            cells += [*map(phrases.number, (at.i_xt.last, at.v_ty.last)), status_word(at.status)]
        else:
            cells += ["–"] * 3 if wide else []
        rows.append(cells)
    settings = run.settings.get(f"information_plane/{set_}", {})
    facts = phrases.facts(settings)
    return table(head, rows, f"{set_}: last values, in bits. {facts}".rstrip(". "))
