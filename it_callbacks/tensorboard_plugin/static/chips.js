// Layers (or runs) by name and colour: legend, filter and the way to each by keyboard.

import {button, element, elided, named} from "./dom.js";

const MOST_CHIPS = 12;
const LETTERS = 24;
const USUAL = 6;

const evenly = (rows, n) =>
  rows.length <= n ? rows : [...Array(n).keys()].map((k) => rows[Math.round((k * (rows.length - 1)) / (n - 1))]);

export class Chips {
  // `light` gets a name for as long as it is looked at, `keep` one that is pressed, `hide` the
  // names that are left out.
  constructor({light, keep, hide}) {
    Object.assign(this, {light, keep, hide, layers: [], hidden: [], part: ""});
    this.row = element("div", {id: "chips", className: "chips"});
    this.row.setAttribute("role", "group");
    this.search = element("input", {type: "search", id: "layer-search"});
    this.search.addEventListener("input", () => { this.part = this.search.value; this.show(); });
    this.strip = element("div", {id: "depth"});
    this.ends = [0, 1].map(() => {
      const select = element("select", {});
      select.addEventListener("change", () => this.range(...this.ends.map(({value}) => Number(value))));
      return select;
    });
    this.all = button("Show all", "Show every layer again", () => this.hide([]));
    this.many = element(
      "div", {id: "depths"}, this.search, this.strip,
      element("label", {}, "from", this.ends[0]), element("label", {}, "to", this.ends[1]),
    );
    this.root = element("div", {id: "legend"}, this.many, this.row);
    this.dragOver();
  }

  // A figure's layers in order of depth; those that are left out keep their place among them.
  offer(layers, hidden) {
    const lost = hidden.filter((name) => !named(layers, name));
    const isOf = (rows) => [...layers, ...lost.map((name) => ({name}))].every(({name}) => named(rows, name));
    if (!lost.length || !layers.length) this.layers = layers;
    else if (isOf(this.layers)) this.layers = this.layers.map((old) => named(layers, old.name) ?? old);
    else this.layers = [...layers, ...lost.map((name) => ({name, label: name, colour: "transparent"}))];
    this.hidden = hidden;
    this.root.hidden = !layers.length;
    this.one = layers[0]?.run ? "run" : "layer";
    this.search.placeholder = `Find a ${this.one}`;
    this.search.setAttribute("aria-label", this.search.placeholder);
    this.strip.title = `Drag over the ${this.one}s to show`;
    ["first", "last"].forEach((end, n) =>
      this.ends[n].setAttribute("aria-label", `${end} ${this.one} that is shown`));
    this.show();
  }

  show() {
    const {layers, hidden, part} = this;
    const isMany = layers.length > MOST_CHIPS;
    const found = layers.filter(({name}) => name.toLowerCase().includes(part.toLowerCase()));
    const areRuns = this.one === "run";
    // A run's colour says nothing but its name: each has a chip.
    const few = part ? found.slice(0, areRuns ? Infinity : MOST_CHIPS) : evenly(layers, USUAL);
    const shown = !isMany || (areRuns && !part) ? layers : few;
    const lost = isMany && part && !found.length;
    this.row.setAttribute("aria-label", areRuns ? "Runs" : "Layers");
    this.many.hidden = !isMany;
    const now = JSON.stringify([shown, hidden, isMany, lost]);
    if (now === this.now) return;
    this.now = now;
    const focus = document.activeElement?.dataset?.layer;
    this.all.hidden = !hidden.length;
    this.row.replaceChildren(
      ...shown.map((layer) => this.chip(layer, hidden.includes(layer.name))),
      this.all, ...(lost ? [element("span", {textContent: `No ${this.one} has this in its name.`})] : []),
    );
    this.row.querySelectorAll("[data-layer]").forEach((node) => {
      if (node.dataset.layer === focus) node.focus();
    });
    if (isMany) this.showDepths();
    this.mark(this.lit, this.kept);
  }

  chip({name, label, colour, run}, isHidden) {
    const dot = element("i", {className: "dot"});
    dot.style.background = colour;
    const main = element(
      "button", {type: "button", title: isHidden ? `${name}: left out` : name, disabled: isHidden},
      dot, element("span", {textContent: elided(label, LETTERS)}),
    );
    main.dataset.layer = name;
    main.onclick = () => this.keep(name);
    main.ondblclick = () => this.without(name);
    for (const event of ["pointerenter", "focus"]) main.addEventListener(event, () => this.light(name));
    for (const event of ["pointerleave", "blur"]) main.addEventListener(event, () => this.light(null));
    const away = button(isHidden ? "+" : "×", "", () => this.without(name));
    away.title = isHidden ? `Show ${name}` : run ? `Uncheck ${name}` : `Leave ${name} out`;
    away.ariaLabel = away.title;
    return element("span", {className: isHidden ? "chip out" : "chip"}, main, away);
  }

  without(name) {
    const {hidden} = this;
    this.hide(hidden.includes(name) ? hidden.filter((each) => each !== name) : [...hidden, name]);
  }

  range(first, last) {
    const [low, high] = first < last ? [first, last] : [last, first];
    this.hide(this.layers.filter((_, n) => n < low || n > high).map(({name}) => name));
  }

  showDepths() {
    const {layers, hidden} = this;
    this.strip.replaceChildren(...layers.map(({name, colour}, n) => {
      const cell = element("span", {title: name, className: hidden.includes(name) ? "out" : ""});
      cell.style.background = colour;
      cell.dataset.n = n;
      return cell;
    }));
    const there = layers.map(({name}) => !hidden.includes(name));
    const bounds = [there.indexOf(true), there.lastIndexOf(true)];
    this.ends.forEach((select, end) => {
      select.replaceChildren(...layers.map(({label}, value) =>
        element("option", {value, textContent: elided(label, LETTERS)})));
      select.value = bounds[end];
    });
  }

  dragOver() {
    let from = null;
    const at = ({clientX}) => {
      const {left, width} = this.strip.getBoundingClientRect();
      const share = Math.min(0.999, Math.max(0, (clientX - left) / width));
      return Math.floor(share * this.layers.length);
    };
    this.strip.addEventListener("pointerdown", (event) => {
      from = at(event);
      this.strip.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    this.strip.addEventListener("pointermove", (event) => {
      const now = at(event);
      this.light(from === null ? this.layers[now]?.name : null);
      if (from === null) return;
      const [low, high] = [Math.min(from, now), Math.max(from, now)];
      [...this.strip.children].forEach((cell, n) => cell.classList.toggle("out", n < low || n > high));
    });
    this.strip.addEventListener("pointerup", (event) => {
      const to = at(event);
      if (from !== null && from !== to) this.range(from, to);
      else if (from !== null) this.keep(this.layers[to].name);
      from = null;
    });
    this.strip.addEventListener("pointerleave", () => this.light(null));
  }

  // The neighbour of the layer that is kept, in order of depth.
  next(kept, by) {
    const there = this.layers.map(({name}) => name).filter((name) => !this.hidden.includes(name));
    const place = there.indexOf(kept);
    const last = there.length - 1;
    if (place < 0) return there[by > 0 ? 0 : last] ?? null;
    return there[Math.min(last, Math.max(0, place + by))];
  }

  mark(lit, kept) {
    Object.assign(this, {lit, kept});
    for (const node of this.row.querySelectorAll("[data-layer]")) {
      const {layer} = node.dataset;
      node.setAttribute("aria-pressed", String(layer === kept));
      node.parentNode.classList.toggle("lit", layer === lit);
    }
  }
}
