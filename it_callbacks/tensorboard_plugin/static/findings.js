// Sentences that the data allow, most important first.

import {button, element, isNarrow} from "./dom.js";

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
    this.found = [];
    this.isWhole = false;
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
        element("li", {textContent: text, className: `tone-${tone}`, title: why})),
    );
    this.more.textContent = rest > 0 ? `${rest} more` : "";
    this.more.hidden = !(rest > 0);
    this.root.hidden = !this.found.length;
  }

  get words() {
    return this.found.map(({text}) => text).join(" ");
  }
}
