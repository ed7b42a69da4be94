"use strict";
// Makes the figure that Plotly reads of one that was packed; `figures/packing.py` says how.

globalThis.unpacked = ({columns, moments, ...figure}) => {
  const known = [];
  const GAP = 65535;
  const whole = (text, least) => {
    const bytes = atob(text);
    return Array.from({length: bytes.length / 2}, (_, n) => {
      const above = bytes.charCodeAt(2 * n) + 256 * bytes.charCodeAt(2 * n + 1);
      return above === GAP ? null : above + least;
    });
  };
  const numbers = ({scale, least, of, as}) =>
    (typeof of === "string" ? whole(of, least) : of)
      .map((value) => (value === null ? null : value / scale))
      .map((value) => (as === "text" ? String(value) : value));
  const words = ({words: all, of, numbers: inside}) => {
    const values = [];
    for (let n = 0; n < of.length; n += 2) {
      for (let times = of[n + 1]; times; times -= 1) values.push(all[of[n]]);
    }
    if (!inside) return values;
    const filled = inside.map(column);
    return values.map((text, n) => {
      let place = 0;
      return text.replaceAll("\x01", () => filled[place++][n].toFixed(3));
    });
  };
  const column = (number) =>
    (known[number] ??= (columns[number].words ? words : numbers)(columns[number]));
  const rows = (parts) => parts[0].map((_, n) => parts.map((part) => part[n]));
  const full = (value) => {
    if (Array.isArray(value) || value === null || typeof value !== "object") return value;
    if ("column" in value) return column(value.column);
    if ("rows" in value) return rows(value.rows.map(column));
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, full(part)]));
  };
  figure.data = figure.data.map(full);
  if (moments) play(figure, full({...moments, panels: null}), moments.panels.map((panel) =>
    ({...full(panel), layers: panel.layers.map(full)})));
  return figure;
};

// Gives a figure a frame and a stop of the slider for each moment.
function play(figure, {names, labels}, panels) {
  const none = {customdata: null, x: null, y: null};
  const line = ({at, steps, epochs, layers}, moment) => {
    const now = at[moment];
    const each = (name) => layers.map((layer) => (now === null ? none : layer)[name]?.[now] ?? null);
    const symbol = now === null ? "circle" : each("symbol");
    const meta = now === null ? [null, null] : [epochs[now], steps[now]];
    return {x: each("x"), y: each("y"), customdata: each("customdata"), marker: {symbol}, meta};
  };
  const traces = panels.map(({trace}) => trace);
  figure.frames = names.map((name, n) => ({name, data: panels.map((panel) => line(panel, n)), traces}));
  const {sliders: [slider] = [], updatemenus} = figure.layout;
  if (!slider) return;
  const [, now] = updatemenus[0].buttons[1].args;
  slider.steps = names.map((name, n) => ({method: "animate", label: labels[n], args: [[name], now]}));
}
