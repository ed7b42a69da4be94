// The tab: asks the server what there is, offers it, and shows the figure of what was chosen.

import {Chart, rowsOf} from "./chart.js";
import {Chips} from "./chips.js";
import {Controls} from "./controls.js";
import {button, element, isNarrow, named} from "./dom.js";
import {Findings} from "./findings.js";
import {Help} from "./help.js";
import {Highlight, isByRun, nameOf, nearest} from "./highlight.js";
import * as host from "./host.js";
import {listen} from "./keys.js";
import {Live} from "./live.js";
import {Play, standing} from "./play.js";
import {DEFAULTS} from "./state.js";
import {Table} from "./table.js";

const LONG_PRESS = 500;  // ms
const STILL = 8;  // px that a finger may move meanwhile
const SETTLED = 200;  // ms after the last change of size
const COMPANION = 340;  // px high, below the figure
const EACH_MORE = 0.6;  // of the height, for each further row of plots; all of it on a narrow screen
const GRAIN = 20;  // px: a scroll bar more or less asks for nothing

async function answer(path, signal) {
  const response = await fetch(path, {signal});
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
}

const loaded = (node, place) =>
  new Promise((resolve, reject) => {
    node.onload = resolve;
    node.onerror = () => reject(new Error("Plotly did not load; is the package plotly installed?"));
    place.append(node);
  });

const wide = ({clientWidth}) => Math.max(280, Math.floor(clientWidth / GRAIN) * GRAIN);

const tall = (height, rows) => Math.round(height * (1 + (rows - 1) * (isNarrow() ? 1 : EACH_MORE)));

class Tab {
  constructor() {
    this.theme = "light";
    this.rows = this.secondRows = 1;
    this.choice = host.chosenInAddress();
    this.stage = element("div", {id: "chart"});
    this.stage.setAttribute("role", "img");
    this.second = element("div", {id: "companion", hidden: true});
    this.second.setAttribute("role", "img");
    this.message = element("p", {id: "message", hidden: true});
    this.message.setAttribute("role", "status");
    this.controls = new Controls(this.choice, (isStep) => this.chose(isStep));
    this.findings = new Findings();
    this.help = new Help();
    this.table = new Table();
    this.live = new Live(this.choice, {changed: () => this.chose(false), due: () => this.load()});
    this.highlight = new Highlight(this.stage, (lit, kept) => this.lit(lit, kept));
    this.highlight.kept = this.choice.layer;
    this.chips = new Chips({
      light: (name) => this.highlight.pass(name),
      keep: (name) => this.highlight.keep(name),
      hide: (names) => this.controls.leaveOut(names, isByRun(this.stage)),
    });
    const passed = ({points}) => {
      this.pointed = nameOf(points[0].data, isByRun(this.stage));
      if (this.pointed !== null) this.highlight.pass(this.pointed);
    };
    this.chart = new Chart(this.stage, {
      plotly_hover: passed,
      plotly_unhover: () => this.highlight.pass(null),
      plotly_click: (event) => { passed(event); if (!this.isTouch) this.highlight.keep(this.pointed); },
      plotly_afterplot: () => this.highlight.paint(),
    });
    this.companion = new Chart(this.second, {});
    this.play = new Play(this.stage, {
      whole: () => this.whole(),
      moved: (until) => { this.choice.until = until; this.shown = null; this.chose(false); },
    });
    const plots = element(
      "div", {id: "plots"},
      element("div", {id: "plot"}, this.stage, this.play.root, this.chips.root), this.second,
    );
    this.main = element("main", {}, this.findings.root, this.message, plots, this.table.root);
    this.touch();
  }

  get header() {
    const link = button("Copy link", "Copy the address of what is shown", () => this.copyLink());
    this.link = link;
    this.csv = element("a", {id: "csv", className: "button", textContent: "CSV", title: "Save every value of what is shown"});
    const title = "Follow, refresh, save, help";
    this.more = element(
      "details", {id: "more"}, element("summary", {textContent: "Menu", title}),
      element(
        "div", {className: "buttons"}, this.live.follow,
        button("Refresh", "Read the log again", () => { this.findings.stale(); this.load(); }, {id: "refresh"}), link, this.csv,
        ...["SVG", "PNG"].map((format) =>
          button(format, `Save the picture as ${format}`, () => this.save(format.toLowerCase()))),
        button("Print", "Print all of this page, without the buttons", () => host.print()),
        button("?", "How to read the plane, words and keys (key ?)", () => this.help.toggle(), {id: "ask"}),
      ),
    );
    return element("header", {}, this.controls.tabs, this.live.last, this.more);
  }

  // After a choice: into the address, then onto the page.
  chose(isStep) {
    host.noteInAddress(this.choice, isStep);
    this.draw();
  }

  lit(lit, kept) {
    this.chips.mark(lit, kept);
    if (this.choice.layer === kept) return;
    this.choice.layer = kept;
    host.noteInAddress(this.choice, false);
  }

  // Reads anew what there is; later, while nobody looks.
  async load() {
    this.stale = host.isHidden() || this.play.isPlaying;
    if (this.stale) return;
    await this.attempt(async (signal) => {
      const state = JSON.parse(await answer("./state", signal));
      this.controls.offer(state);
      this.live.heard(state, this.controls.shownRuns);
      await this.show(signal, true);
    });
  }

  async draw() {
    if (!this.controls.state) return;
    this.live.heard(this.controls.state, this.controls.shownRuns);
    await this.attempt((signal) => this.show(signal));
  }

  // One at a time: what was asked before is no longer waited for.
  async attempt(work) {
    this.asked?.abort();
    const {signal} = (this.asked = new AbortController());
    this.main.setAttribute("aria-busy", "true");
    try {
      await work(signal);
    } catch (error) {
      if (signal.aborted) return;
      this.shown = null;
      this.say(error.message);
    }
    if (!signal.aborted) this.main.removeAttribute("aria-busy");
  }

  // Of a figure with one row of plots.
  get room() {
    const height = isNarrow() ? 410 : Math.max(400, Math.min(560, Math.round(window.innerHeight * 0.6)));
    return {width: wide(this.stage), height};
  }

  get size() {
    const {width, height} = this.room;
    return {width, height: tall(height, this.rows)};
  }

  asking({name = this.controls.kind.name, ...more} = {}) {
    const {theme, size, choice: {until}} = this;
    return this.controls.query(name, {theme, ...size, until, ...more});
  }

  async show(signal, grows = false) {
    const obstacle = this.controls.obstacle();
    this.main.classList.toggle("bare", obstacle !== null);
    if (obstacle !== null) {
      for (const chart of [this.chart, this.companion]) chart.clear();
      this.shown = null;
      this.second.hidden = true;
      this.findings.leave(null);
      this.findings.tell([]);
      this.say(obstacle);
      return;
    }
    this.findings.leave(this.findingsOf);
    // A figure says what stands beside it, and so how wide it is itself; its plots, how high.
    let query, text, figure;
    for (let n = 0; n < 3 && query !== this.asking().query; n += 1) {
      ({query} = this.asking());
      text = await answer(`./figure?${query}`, signal);
      figure = JSON.parse(text);
      this.rows = rowsOf(figure);
      this.opened(figure.layout.meta ?? {});
    }
    const meta = figure.layout.meta ?? {};
    this.say(this.controls.note());
    this.csv.href = `./csv?${this.asking(this.controls.resolved).query}`;
    const {size} = this;
    const shown = JSON.stringify(size) + text;
    if (shown !== this.shown) {
      const {axes} = this.asking();
      const {config} = this.controls.state;
      await this.chart.draw(figure, {config, axes, size, grows});
      this.shown = shown;
      this.around(figure);
    }
    await Promise.all([this.beside(meta, signal), this.find()]);
  }

  opened(meta) {
    const {choice, controls} = this;
    if (!choice.name && meta.opens) controls.opensAt = meta.opens;
    this.fit(meta);
    controls.opened(meta);
    this.second.hidden = !controls.state.kinds.some(({name}) => name === meta.companion);
  }

  // Of the state what the figure has: its moment, and layers that it knows.
  fit({moments = [], layers = [], left_out: leftOut = []}) {
    const {choice, controls, highlight} = this;
    const stands = standing(moments, choice.until);
    choice.until = controls.isOfOthers && stands !== choice.until ? null : stands;
    controls.isOfOthers = false;
    if (layers.length || leftOut.length) {
      choice.hidden = leftOut.length ? leftOut : null;
      if (highlight.kept !== null && !named(layers, highlight.kept)) highlight.keep(highlight.kept);
    }
    host.noteInAddress(choice, false);
  }

  // What stands around the figure and is made of it.
  around(figure) {
    const {meta = {}} = figure.layout;
    // Of the pictures the first, the plane, is one of ways.
    const canPlay = meta.kind === this.controls.state.kinds[0].name;
    this.play.offer(meta.moments ?? [], this.choice.until, canPlay);
    this.chips.offer(meta.layers ?? [], isByRun(figure) ? [] : (this.choice.hidden ?? []));
    this.highlight.paint();
    this.table.show(figure, this.play.label.textContent);
    this.csv.download = `${this.fileName}.csv`;
  }

  // The figure of now, from which Play draws.
  async whole() {
    if (this.choice.until === null) return this.chart.figure;
    return JSON.parse(await answer(`./figure?${this.asking({until: null}).query}`));
  }

  // The companion below or beside the figure.
  async beside({companion}, signal) {
    const kind = this.controls.state.kinds.find(({name}) => name === companion);
    if (!kind) {
      this.companion.clear();
      this.seconded = null;
      return;
    }
    const isBeside = window.matchMedia("(min-width: 1700px)").matches;
    let size, rows, axes, text, figure;
    for (let n = 0; n < 3 && rows !== this.secondRows; n += 1) {
      rows = this.secondRows;
      size = {width: wide(this.second), height: tall(isBeside ? this.room.height : COMPANION, rows)};
      const asked = this.asking({name: companion, ...size});
      ({axes} = asked);
      text = await answer(`./figure?${asked.query}`, signal);
      figure = JSON.parse(text);
      this.secondRows = rowsOf(figure);
    }
    const shown = JSON.stringify(size) + text;
    if (shown === this.seconded) return;
    const {config} = this.controls.state;
    await this.companion.draw(figure, {config, axes, size});
    this.second.setAttribute("aria-label", `${kind.title} of the same runs`);
    this.seconded = shown;
  }

  get findingsOf() {
    const {shownRuns, choice: {arrange}} = this.controls;
    const runs = shownRuns.map((run) => ["run", run]);
    return String(new URLSearchParams(arrange === "mean" ? [...runs, ["arrange", arrange]] : runs));
  }

  async find() {
    // Of all sets: what training has beyond validation is said, whichever is drawn.
    await this.findings.ask(this.findingsOf, async (query, signal) =>
      JSON.parse(await answer(`./findings?${query}`, signal)).findings);
    const {title} = this.controls.kind;
    this.stage.setAttribute("aria-label", `${title}. ${this.findings.words}`);
  }

  say(text) {
    this.message.textContent = text;
    this.message.hidden = !text;
  }

  get fileName() {
    return this.controls.fileName(this.play.label.textContent);
  }

  save(format) {
    this.chart.save(format, this.fileName);
  }

  async copyLink() {
    const url = host.address({...this.choice, ...this.controls.inFull});
    try {
      await window.parent.navigator.clipboard.writeText(url);
      this.link.textContent = "Copied";
    } catch {
      window.prompt("The address of what is shown:", url);
    }
    setTimeout(() => { this.link.textContent = "Copy link"; }, 2000);
  }

  // A long press keeps what a tap looks at.
  touch() {
    let timer, start;
    const end = () => clearTimeout(timer);
    this.stage.addEventListener("pointerdown", (event) => {
      this.isTouch = event.pointerType === "touch";
      if (!this.isTouch) return;
      const at = nearest(this.stage, event);
      start = event;
      clearTimeout(timer);
      timer = setTimeout(() => { if (at !== null) this.highlight.keep(at); }, LONG_PRESS);
    });
    for (const name of ["pointerup", "pointercancel"]) this.stage.addEventListener(name, end);
    // A finger is never quite still.
    this.stage.addEventListener("pointermove", ({clientX, clientY}) => {
      if (start && Math.hypot(clientX - start.clientX, clientY - start.clientY) > STILL) end();
    });
    this.stage.addEventListener("contextmenu", (event) => { if (this.isTouch) event.preventDefault(); });
  }

  keys() {
    const {controls, play, choice} = this;
    const boxes = (place) => [...place.querySelectorAll("input")];
    // The next of several choices, where they are offered.
    const next = (group, place) => {
      const there = boxes(place).filter(({disabled}) => !disabled);
      if (!group.hidden) there[(there.findIndex((box) => box.checked) + 1) % there.length].click();
    };
    const layer = (by) => {
      const name = this.chips.next(this.highlight.kept, by);
      if (name !== null && name !== this.highlight.kept) this.highlight.keep(name);
    };
    listen({
      ArrowLeft: (by) => play.go(-by),
      ArrowRight: (by) => play.go(by),
      Home: () => play.go(-Infinity),
      End: () => play.go(Infinity),
      ArrowUp: () => layer(-1),
      ArrowDown: () => layer(1),
      " ": () => play.flip(),
      ",": () => play.pacing(-1),
      ".": () => play.pacing(1),
      Escape: () => { if (this.highlight.kept !== null) this.highlight.keep(this.highlight.kept); },
      digit: (n) => boxes(controls.figures).filter(({disabled}) => !disabled)[n - 1]?.click(),
      w: () => next(controls.readingsGroup, controls.readings),
      f: () => next(controls.scalesGroup, controls.scales),
      t: () => boxes(controls.sets).find(({value}) => value === "train")?.click(),
      c: () => { if (!controls.chance.label.hidden) controls.take({chance: !choice.chance}); },
      b: () => { if (!controls.intervals.label.hidden) controls.take({intervals: !choice.intervals}); },
      d: () => this.table.toggle(),
      "?": () => this.help.toggle(),
    });
  }

  // The aside is folded where there is no room beside the figure, the buttons where they would
  // take rows of their own.
  fold() {
    for (const [part, least] of [[this.controls.aside, 1100], [this.more, 600]]) {
      const media = window.matchMedia(`(min-width: ${least}px)`);
      const tell = () => { part.open = media.matches; };
      media.addEventListener("change", tell);
      tell();
    }
    this.more.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !isNarrow() || !this.more.open) return;
      event.stopPropagation();
      this.more.open = false;
      this.more.firstChild.focus();
    });
  }

  // All findings and the table; returns what folds them as they were.
  unfold() {
    const {findings, table} = this;
    const [isWhole, isOpen] = [findings.isWhole, table.root.open];
    const set = (whole, open) => {
      findings.isWhole = whole;
      findings.show();
      table.root.open = open;
    };
    set(true, true);
    return () => set(isWhole, isOpen);
  }

  async start() {
    document.documentElement.lang = "en";
    const style = element("link", {rel: "stylesheet", href: "./style.css"});
    const viewport = element("meta", {name: "viewport", content: "width=device-width"});
    document.head.append(viewport);
    document.body.append(this.header, this.controls.aside, this.main, this.help.root);
    this.fold();
    try {
      await Promise.all([
        loaded(style, document.head),
        loaded(element("script", {src: "./plotly.js"}), document.head),
      ]);
    } catch (error) {
      this.say(error.message);
      return;
    }
    this.keys();
    host.onTheme((theme) => {
      this.theme = theme;
      document.documentElement.dataset.theme = theme;
      this.draw();
    });
    host.onBack((choice) => {
      Object.assign(this.choice, DEFAULTS, choice);
      this.highlight.kept = this.choice.layer;
      if (this.controls.state) this.controls.show();
      this.draw();
    });
    let resizing;
    host.onResize(this.stage, () => {
      if (host.isHidden()) return;
      if (this.stale) this.load();
      clearTimeout(resizing);
      resizing = setTimeout(() => {
        const now = JSON.stringify(this.room);
        if (now === this.sized) return;
        this.sized = now;
        this.findings.show();
        this.draw();
      }, SETTLED);
    });
    host.onReload(() => this.load());
    host.onPrint(() => this.unfold());
    this.live.start();
    host.takeFocus();
    this.sized = JSON.stringify(this.room);
    await this.load();
  }
}

export const render = () => new Tab().start();
