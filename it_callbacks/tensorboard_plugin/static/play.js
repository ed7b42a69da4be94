// The slider over the moments of a figure, and Play: ways that grow, drawn from few traces. What
// comes later is not to be seen. At rest the server draws the figure as it stood.

import {button, element} from "./dom.js";
import {isByRun, nameOf} from "./highlight.js";

const MOST_MOMENTS = 40;
const BETWEEN = 120;  // ms
const SPEEDS = [0.5, 1, 2, 4];
const HEAD = 0.72;  // of the age of the moment: where the thick part begins
const LOOKS_OF_HEAD = 3;
const SETTLED = 250;  // ms without a move

// Few of many, dense early on.
export function logSpaced(n, most) {
  if (n <= most) return [...Array(n).keys()];
  const places = [...Array(most).keys()];
  return [...new Set(places.map((k) => Math.round(Math.expm1((Math.log(n) * k) / (most - 1)))))];
}

// Where a point's own data has its time.
const EPOCH = 0;
const STEP = 1;

// Two traces for each way: what has been, and its newest part with the point of the moment.
export function lean(figure) {
  const {meta} = figure.layout;
  const byRun = isByRun(figure);
  const colours = Object.fromEntries(meta.layers.map(({name, colour}) => [name, colour]));
  const ways = figure.data.filter((trace) => trace.meta?.role === "points" && trace.customdata);
  const data = ways.flatMap((trace) => {
    const color = colours[nameOf(trace, byRun)] ?? meta.layers[0].colour;
    const shared = {
      type: "scatter", xaxis: trace.xaxis ?? "x", yaxis: trace.yaxis ?? "y", meta: trace.meta,
      showlegend: false, hoverinfo: "skip", x: [], y: [],
    };
    return [
      {...shared, uid: `${trace.uid}-far`, mode: "lines", opacity: 0.35, line: {color, width: 1.3}},
      {
        ...shared, uid: `${trace.uid}-head`, mode: "lines+markers", line: {color, width: 2.6},
        marker: {color, size: [], opacity: 1},
      },
    ];
  });
  const annotations = (figure.layout.annotations ?? [])
    .filter((_, index) => meta.names?.[index] === undefined);
  return {ways, data, layout: {...figure.layout, annotations}};
}

// What the traces of `lean` hold at a step.
export function sliceAt(ways, step) {
  const slices = {x: [], y: [], "marker.size": []};
  for (const {x, y, customdata} of ways) {
    const until = customdata.filter((row) => row[STEP] <= step).length;
    const clock = customdata.every((row) => Number.isFinite(row[EPOCH])) ? EPOCH : STEP;
    const age = (index) => Math.log1p(Number(customdata[index][clock]));
    let from = until - 1;
    while (from > 0 && age(from - 1) >= HEAD * age(until - 1)) from -= 1;
    from = Math.max(0, Math.min(from, until - LOOKS_OF_HEAD));
    slices.x.push(x.slice(0, until), x.slice(from, until));
    slices.y.push(y.slice(0, until), y.slice(from, until));
    const sizes = Array(Math.max(0, until - from)).fill(0);
    if (sizes.length) sizes[sizes.length - 1] = 11;
    slices["marker.size"].push(0, sizes);
  }
  return slices;
}

// The last moment at or before a step, as a step; null for now, and before the first moment.
export function standing(moments, until) {
  if (until === null) return null;
  const at = moments.filter(({step}) => step <= Number(until)).length - 1;
  return at < 0 || at === moments.length - 1 ? null : String(moments[at].step);
}

export class Play {
  // `whole` gives the figure of now, `moved` gets the step at which to rest, null for now.
  constructor(place, {whole, moved}) {
    Object.assign(this, {place, whole, moved, moments: [], isPlaying: false, speed: 1});
    this.range = element("input", {type: "range", id: "moment", min: 0, step: 1});
    this.range.setAttribute("aria-label", "Moment of the training");
    this.label = element("output", {id: "moment-label"});
    this.toggle = button("▶ Play", "Play or stop (space)", () => this.flip(), {id: "play"});
    this.pace = element(
      "select", {id: "speed", title: "Speed (keys , and .)"},
      ...SPEEDS.map((value) => element("option", {value, textContent: `${value}×`})),
    );
    this.pace.setAttribute("aria-label", "Speed of Play");
    this.pace.value = 1;
    this.root = element("div", {id: "player"}, this.toggle, this.pace, this.range, this.label);
    this.range.addEventListener("input", () => this.glance());
    this.pace.addEventListener("change", () => { this.speed = Number(this.pace.value); });
  }

  offer(moments, until, canPlay) {
    if (this.isPlaying) return;
    this.place.removeAttribute("aria-busy");
    this.moments = moments;
    const found = moments.findIndex(({step}) => String(step) === String(until));
    this.range.max = Math.max(0, moments.length - 1);
    this.stand(found < 0 ? moments.length - 1 : found);
    this.root.hidden = moments.length < 2;
    const isStill = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.toggle.hidden = this.pace.hidden = isStill || !canPlay;
    this.canPlay = canPlay;
    this.source = null;
  }

  stand(index) {
    this.at = index;
    this.range.value = index;
    const words = this.moments[index]?.label ?? "";
    this.label.textContent = words;
    this.range.setAttribute("aria-valuetext", words);
  }

  // Some moments on or back.
  go(by) {
    if (this.root.hidden) return;
    this.pause(false);
    this.range.value = Math.min(this.moments.length - 1, Math.max(0, this.at + by));
    this.glance();
  }

  pacing(by) {
    const index = SPEEDS.indexOf(this.speed) + by;
    this.speed = SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, index))];
    this.pace.value = this.speed;
  }

  // The lean figure while the reader moves, the server's once that has settled.
  async glance() {
    this.pause(false);
    this.place.setAttribute("aria-busy", "true");
    this.stand(Number(this.range.value));
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.rest(), SETTLED);
    if (this.canPlay) await this.draw();
  }

  rest() {
    const isNow = this.at >= this.moments.length - 1;
    this.moved(isNow ? null : String(this.moments[this.at].step));
  }

  async draw() {
    this.source ??= this.whole();
    const source = await this.source;
    if (!source?.layout?.meta) return;
    if (this.shown !== source || this.place.data?.length !== this.made?.data.length) {
      this.made = lean(source);
      this.shown = source;
      await Plotly.react(this.place, {data: this.made.data, layout: this.made.layout});
    }
    const {step} = this.moments[this.at];
    await Plotly.restyle(this.place, sliceAt(this.made.ways, step));
  }

  flip() {
    if (this.root.hidden || this.toggle.hidden) return;
    if (this.isPlaying) this.pause(true);
    else this.play();
  }

  async play() {
    clearTimeout(this.settling);
    this.isPlaying = true;
    this.place.setAttribute("aria-busy", "true");
    this.toggle.textContent = "◼ Stop";
    const last = this.moments.length - 1;
    if (this.at >= last) this.stand(0);
    for (const index of logSpaced(this.moments.length, MOST_MOMENTS)) {
      if (index < this.at) continue;
      if (!this.isPlaying) return;
      const began = performance.now();
      this.stand(index);
      await this.draw();
      const left = BETWEEN / this.speed - (performance.now() - began);
      await new Promise((then) => { setTimeout(then, Math.max(0, left)); });
    }
    if (this.isPlaying) this.pause(true);
  }

  pause(rests) {
    if (!this.isPlaying) return;
    this.isPlaying = false;
    this.toggle.textContent = "▶ Play";
    if (rests) this.rest();
  }
}
