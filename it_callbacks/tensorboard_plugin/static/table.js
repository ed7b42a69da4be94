// The figure in numbers: of each way its point at the moment, of a heat map its last column.

import {element} from "./dom.js";

const digits = (value) => (typeof value === "number" ? value.toFixed(3) : (value ?? "–"));

const last = (values) => values.reduce((found, value, n) => (value === null ? found : n), -1);

const titleOf = (layout, letter, trace) => {
  const {title} = layout[`${letter}axis${(trace[`${letter}axis`] ?? "").slice(1)}`] ?? {};
  return (title?.text ?? title ?? letter).replace(/<[^>]*>| →/g, " ").trim();
};

// Where rows are numbers, their names are those of the axis.
function rowName(layout, {y, yaxis}, n) {
  const {tickvals = [], ticktext = []} = layout[`yaxis${(yaxis ?? "").slice(1)}`] ?? {};
  return String(typeof y?.[n] === "number" ? (ticktext[tickvals.indexOf(y[n])] ?? y[n]) : (y?.[n] ?? n));
}

// Where colours are of logarithms, the value itself stands beside.
function valueOf({z, customdata}, row, column) {
  const own = customdata?.[row]?.[column];
  return Array.isArray(own) ? own[0] : z[row][column];
}

// Rows of cells below a row of headings; null if the figure holds neither ways nor cells.
export function rowsOf(figure) {
  const {data, layout} = figure;
  const ways = data.filter(({meta, x}) => meta?.role === "points" && x?.length);
  if (ways.length) {
    const labels = Object.fromEntries((layout.meta?.layers ?? []).map(({name, label}) => [name, label]));
    const head = ["Layer", "Run", "Set", titleOf(layout, "x", ways[0]), titleOf(layout, "y", ways[0])];
    const rows = ways.map((trace) => {
      const {layer, run, set} = trace.meta;
      const at = last(trace.y);
      return [labels[layer] ?? layer, run, set, digits(trace.x[at]), digits(trace.y[at])];
    });
    return [head, ...rows];
  }
  const cells = data.filter(({z}) => Array.isArray(z?.[0]));
  if (!cells.length) return null;
  const body = cells.flatMap((trace) => trace.z.map((row, n) => [
    rowName(layout, trace, n), trace.meta?.run ?? "", trace.meta?.set ?? "", digits(valueOf(trace, n, last(row))),
  ]));
  return [["Row", "Run", "Set", "Last value"], ...body];
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
