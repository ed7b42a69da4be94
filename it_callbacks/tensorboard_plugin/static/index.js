// The tab: asks the server what there is, offers it, and shows the figure of what was chosen.

import {Chart} from "./chart.js";
import {Controls, element} from "./controls.js";
import {isHidden, onReload, onResize, onTheme} from "./host.js";

const FOLLOW_EVERY = 10_000;

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

class Tab {
  constructor() {
    this.theme = "light";
    this.stage = element("div", {id: "chart"});
    this.message = element("p", {id: "message", hidden: true});
    this.message.setAttribute("role", "status");
    this.main = element("main", {}, this.message, this.stage);
    this.controls = new Controls(() => this.draw(), {
      refresh: () => this.load(),
      save: (format) => this.chart.save(format, this.controls.kind.title),
    });
    this.chart = new Chart(this.stage, (layers) => {
      this.controls.chosen.hidden = new Set(layers);
      this.draw();
    });
  }

  // Reads anew what there is; later, while nobody looks.
  async load() {
    this.stale = isHidden() || this.chart.playing;
    if (this.stale) return;
    await this.attempt(async (signal) => {
      this.controls.offer(JSON.parse(await answer("./state", signal)));
      await this.show(signal);
    });
  }

  async draw() {
    if (!this.controls.state) return;
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

  async show(signal) {
    const obstacle = this.controls.obstacle();
    if (obstacle !== null) {
      this.chart.clear();
      this.shown = null;
      this.say(obstacle);
      return;
    }
    const {query} = this.controls.query(this.theme);
    const text = await answer(`./figure?${query}`, signal);
    this.say(this.controls.note());
    if (text === this.shown) return;
    const figure = JSON.parse(text);
    this.controls.opened(figure.layout.meta?.reading);
    const {axes} = this.controls.query(this.theme);
    await this.chart.draw(figure, this.controls.state.config, axes);
    this.shown = text;
  }

  say(text) {
    this.message.textContent = text;
    this.message.hidden = !text;
  }

  async start() {
    document.documentElement.lang = "en";
    const style = element("link", {rel: "stylesheet", href: "./style.css"});
    document.body.append(this.controls.root, this.main);
    try {
      await Promise.all([
        loaded(style, document.head),
        loaded(element("script", {src: "./plotly.js"}), document.head),
      ]);
    } catch (error) {
      this.say(error.message);
      return;
    }
    onTheme((theme) => {
      this.theme = theme;
      document.documentElement.dataset.theme = theme;
      this.draw();
    });
    onResize(this.stage, () => {
      if (isHidden()) return;
      this.chart.resize();
      if (this.stale) this.load();
    });
    onReload(() => this.load());
    setInterval(() => {
      if (this.stale || this.controls.chosen.follow) this.load();
    }, FOLLOW_EVERY);
    await this.load();
  }
}

export const render = () => new Tab().start();
