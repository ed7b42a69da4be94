// Sentences that the data allow, most important first.

import {button, element, isNarrow} from "./dom.js";

const FRESH = 30_000;  // ms: they are asked for again at most so often while a run is written
const SHOWN = {wide: 5, narrow: 2};

export class Findings {
  constructor() {
    this.list = element("ul", {});
    this.more = button("", "", () => { this.isWhole = true; this.show(); }, {className: "link"});
    const title = "What the layers keep apart, and what they tell";
    this.root = element(
      "section", {id: "findings", hidden: true}, element("h1", {textContent: title}), this.list,
      this.more,
    );
    Object.assign(this, {query: null, asking: null, age: () => Infinity});
    this.found = [];
    this.opened = new Set();
    this.isWhole = false;
  }

  // Of a query what `fetched` gives; an answer that is under way or fresh serves again.
  async ask(query, fetched) {
    if (this.leave(query)) return this.asking;
    if (this.age() < FRESH) return null;
    const {signal} = (this.waits = new AbortController());
    const began = performance.now();
    this.asking = fetched(query, signal).then((found) => {
      if (signal.aborted) return;
      this.age = () => performance.now() - began;
      this.tell(found);
    }).finally(() => { if (!signal.aborted) this.asking = null; });
    return this.asking;
  }

  // Forgets what was asked of another query; whether the answer to this one is under way.
  leave(query) {
    if (query === this.query) return this.asking !== null;
    this.waits?.abort();
    Object.assign(this, {query, asking: null, age: () => Infinity});
    return false;
  }

  // The next question is asked at once.
  stale() {
    this.age = () => Infinity;
  }

  tell(found) {
    this.found = found;
    this.show();
  }

  show() {
    const most = this.isWhole ? Infinity : isNarrow() ? SHOWN.narrow : SHOWN.wide;
    const rest = this.found.length - most;
    this.list.replaceChildren(
      ...this.found.slice(0, most).map(({text, tone, why}) =>
        element(
          "li", {className: `tone-${tone}`, title: why, ariaDescription: why}, this.folded(text, why),
        )),
    );
    this.more.textContent = rest > 0 ? `${rest} more` : "";
    this.more.hidden = !(rest > 0);
    this.root.hidden = !this.found.length;
  }

  // A sentence that unfolds its rule where there is no mouse to point with: by a tap or a key.
  folded(text, why) {
    const sentence = element("summary", {textContent: text});
    const whole = element("details", {open: this.opened.has(text)}, sentence);
    whole.append(element("p", {className: "why", textContent: why}));
    whole.addEventListener("toggle", () => this.opened[whole.open ? "add" : "delete"](text));
    // Who selects words of it wants to copy them.
    sentence.addEventListener("click", (event) => {
      if (!document.getSelection().isCollapsed) event.preventDefault();
    });
    return whole;
  }

  get words() {
    return this.found.map(({text}) => text).join(" ");
  }
}
