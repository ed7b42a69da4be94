// Shows one figure that the server sends. How it looks is the server's affair; here is kept what
// the reader did to it: the zoom.

// A redraw that overtakes another makes Plotly reject a promise with no reason given.
window.addEventListener("unhandledrejection", (event) => {
  if (event.reason === undefined) event.preventDefault();
});

const isAxis = (name) => /^[xy]axis\d*$/.test(name);

// How many plots stand under each other.
export const rowsOf = ({layout}) =>
  new Set(
    Object.keys(layout).filter((name) => /^yaxis\d*$/.test(name)).map((name) => layout[name].domain?.[0] ?? 0),
  ).size || 1;

const axisOf = (letter, trace) => `${letter}axis${(trace[`${letter}axis`] ?? "").slice(1)}`;

// Whether every point of a figure lies within ranges, by axis.
export function isWithin(figure, ranges) {
  return figure.data.every((trace) => trace.meta?.role !== "points" || ["x", "y"].every((letter) => {
    const range = ranges[axisOf(letter, trace)];
    if (!range || !Array.isArray(trace[letter])) return false;
    const [low, high] = range[0] < range[1] ? range : [range[1], range[0]];
    return trace[letter].every((value) => value === null || (value >= low && value <= high));
  }));
}

export class Chart {
  // `events` maps Plotly's events to what they do; it is told after each drawing.
  constructor(place, events) {
    Object.assign(this, {place, events, drawn: false});
  }

  // Draws at a size; a zoom stays as long as `axes` does, and axes that new points do not leave.
  async draw(figure, {config, axes, size, grows = false}) {
    const {layout} = figure;
    Object.assign(layout, size, {autosize: false, uirevision: axes});
    if (grows && this.drawn && axes === this.axes) this.hold(figure);
    this.axes = axes;
    this.figure = figure;
    await Plotly.react(this.place, {...figure, config: {...config, responsive: false}});
    if (!this.drawn) {
      for (const [event, act] of Object.entries(this.events)) this.place.on(event, act);
    }
    this.drawn = true;
    this.events.plotly_afterplot?.();
  }

  hold(figure) {
    const {layout} = figure;
    const now = this.place._fullLayout ?? {};
    const names = Object.keys(layout).filter((name) => isAxis(name) && layout[name].range && now[name]);
    const ranges = Object.fromEntries(names.map((name) => [name, [...now[name].range]]));
    if (!isWithin(figure, ranges)) return;
    for (const name of names) layout[name].range = ranges[name];
  }

  clear() {
    if (this.drawn) Plotly.purge(this.place);
    this.drawn = false;
    this.figure = null;
  }

  // The figure without what is shown on highlight only.
  save(format, filename) {
    if (!this.drawn) return;
    const {data, layout} = this.figure;
    const spare = new Set((layout.meta?.spare ?? []).map(String));
    const annotations = (layout.annotations ?? []).filter((_, index) => !spare.has(String(index)));
    const {width, height} = layout;
    Plotly.downloadImage(
      {data: data.filter(({opacity}) => opacity !== 0), layout: {...layout, annotations}},
      {format, filename, width, height, scale: format === "png" ? 2 : 1},
    );
  }
}
