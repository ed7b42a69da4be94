// The figure in numbers: of each way its point at the moment, else the last values that traces tell.

import {element} from "./dom.js";

const digits = (value) => (typeof value === "number" ? value.toFixed(3) : (value ?? "–"));

const last = (values) => values.reduce((found, value, n) => (value === null ? found : n), -1);

const titleOf = (layout, letter, trace) => {
  const {title} = layout[`${letter}axis${(trace[`${letter}axis`] ?? "").slice(1)}`] ?? {};
  return (title?.text ?? title ?? letter).replace(/<[^>]*>| →/g, " ").trim();
};

// What each trace tells of itself; the quantity has a column where there are several.
function told(tables, labels) {
  const whats = new Set(tables.map(({table}) => table.what));
  const body = tables.flatMap(({table, run, set}) => table.rows.map(([name, value]) => [
    labels[name] ?? name, run, set, ...(whats.size > 1 ? [table.what] : []), digits(value),
  ]));
  const last = whats.size > 1 ? ["Quantity", "Last value"] : [...whats];
  return [[tables[0].table.of, "Run", "Set", ...last], ...body];
}

// Rows of cells below a row of headings; null if the figure has no values.
export function rowsOf(figure) {
  const {data, layout} = figure;
  const labels = Object.fromEntries((layout.meta?.layers ?? []).map(({name, label}) => [name, label]));
  const tables = data.map(({meta}) => meta).filter((meta) => meta?.table);
  if (tables.length) return told(tables, labels);
  const ways = data.filter(({meta, x}) => meta?.role === "points" && x?.length);
  if (!ways.length) return null;
  const head = ["Layer", "Run", "Set", titleOf(layout, "x", ways[0]), titleOf(layout, "y", ways[0])];
  const rows = ways.map((trace) => {
    const {layer, run, set} = trace.meta;
    const at = last(trace.y);
    return [labels[layer] ?? layer, run, set, digits(trace.x[at]), digits(trace.y[at])];
  });
  return [head, ...rows];
}

export class Table {
  constructor() {
    this.root = element("details", {id: "table"}, element("summary", {textContent: "Table of values"}));
    this.table = element("table", {});
    this.root.append(this.table);
  }

  toggle() {
    this.root.open = !this.root.open;
    if (this.root.open) this.root.scrollIntoView({block: "nearest"});
  }

  show(figure, moment) {
    const rows = rowsOf(figure);
    this.root.hidden = !rows;
    if (!rows) return;
    const line = (tag, cells) =>
      element("tr", {}, ...cells.map((textContent) => element(tag, {textContent})));
    const [head, ...body] = rows;
    this.table.replaceChildren(
      element("caption", {textContent: moment ? `Values at ${moment}` : "Last values"}),
      element("thead", {}, line("th", head)),
      element("tbody", {}, ...body.map((cells) => line("td", cells))),
    );
  }
}
