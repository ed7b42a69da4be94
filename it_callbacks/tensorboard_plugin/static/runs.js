// The list of runs: a filter, all and none of what it leaves, and what is checked beyond it.

import {button, checked, element, elided, fill, group, list} from "./dom.js";

const MANY = 1;
const LETTERS = 34;

// What a filter lets pass; a text that is no regular expression is looked for as it stands.
export function matcher(text) {
  try {
    const pattern = new RegExp(text, "i");
    return {matches: (name) => pattern.test(name), fault: ""};
  } catch {
    const part = text.toLowerCase();
    return {
      matches: (name) => name.toLowerCase().includes(part),
      fault: "Not a regular expression: searched as plain text.",
    };
  }
}

export class RunList {
  // `chosen` gets the names that are checked, `filtered` the text of the filter.
  constructor(chosen, filtered) {
    this.boxes = list("runs");
    this.filter = element("input", {
      type: "search", id: "filter", placeholder: "Filter runs (regular expression)",
    });
    this.filter.setAttribute("aria-label", "Filter runs");
    this.note = element("p", {className: "why", id: "filter-note"});
    this.note.setAttribute("role", "status");
    const pick = (all) => () => {
      const beyond = this.shown.filter((name) => !this.matching.includes(name));
      chosen(all ? [...beyond, ...this.matching.filter((name) => !(name in this.without))] : beyond);
    };
    this.many = element(
      "div", {className: "buttons"},
      button("All", "Check every run that the filter shows", pick(true)),
      button("None", "Uncheck every run that the filter shows", pick(false)),
    );
    this.root = group("Runs", this.filter, this.many, this.note, this.boxes);
    this.boxes.addEventListener("change", () => chosen(checked(this.boxes)));
    this.filter.addEventListener("input", () => {
      filtered(this.filter.value);
      this.narrow();
    });
  }

  // `without` tells of some names why the picture of now does not have them; they can be checked all
  // the same, for another picture.
  show(names, shown, filter, without) {
    Object.assign(this, {names, shown, without});
    if (this.filter.value !== filter) this.filter.value = filter;
    const rows = names.map((name) => ({name, title: elided(name, LETTERS), about: without[name]}));
    fill(this.boxes, "checkbox", rows, shown);
    for (const label of this.boxes.children) {
      label.classList.toggle("without", label.firstChild.value in without);
    }
    this.filter.hidden = this.many.hidden = names.length <= MANY;
    this.narrow();
  }

  // Runs that are checked stay in sight, whatever the filter says.
  narrow() {
    const {matches, fault} = matcher(this.filter.hidden ? "" : this.filter.value);
    this.matching = this.names.filter(matches);
    for (const label of this.boxes.children) {
      const {value, checked: isChosen} = label.firstChild;
      const isBeyond = !this.matching.includes(value);
      label.hidden = isBeyond && !isChosen;
      label.classList.toggle("beyond", isBeyond);
    }
    const n = this.shown.filter((name) => !this.matching.includes(name)).length;
    const beyond = n ? `${n} checked ${n > 1 ? "runs do" : "run does"} not match the filter.` : "";
    this.note.textContent = [fault, beyond].filter(Boolean).join(" ");
    this.note.hidden = !this.note.textContent;
  }
}
