// Words for what is shown: tooltips of terms, and the dialog behind "?".

import {button, element} from "./dom.js";
import {KEYS} from "./keys.js";

export const WORDS = {
  x: "How many bits about which input it was survive if noise of 30 % of the layer's spread is added. Unchanged by scale. Not the information of the exact layer, which is infinite.",
  y: "What a linear reader, fitted on other samples, finds about the label. A lower bound: low does not mean gone. 0 is nothing, H(Y) everything.",
  log2K: "K is the number of classes. Only the class is left if a layer stands at log₂ K with y at H(Y).",
  cap: "The most that can be kept apart across: the noise, or the number of samples, allows no more.",
  hY: "The entropy of the labels: all bits that there are to know of the label. Two sets may differ a little.",
  bound: "A bound from the predictions themselves: every layer that they are computed from holds so much of the label.",
  wide: "Layers of any width are read on one scale: outputs with noise across, a linear reader up.",
  code: "Counts of binned outputs. Exact for narrow layers; wide ones saturate.",
  saturated: "Nearly every sample has a code of its own: both values are then set by the number of samples.",
  chance: "What labels dealt at random would give.",
  through: "One line per moment through all layers, input to output.",
  bars: "95 % of the estimate's own error; runs differ by more. The first and the last point of few layers have them always.",
  stray: "How far a curve would go by its own ups and downs. A change is called one only if it is more than that and more than its error.",
  ruler: "How the outputs of a layer are binned: another ruler gives other values, and never a mean with them.",
};

const TERMS = [
  ["inputs kept apart (across)", "x"], ["found about the label (up)", "y"],
  ["H(Y)", "hY"], ["predictions have at least", "bound"], ["K, log₂ K", "log2K"], ["cap", "cap"],
  ["any width", "wide"], ["binned code", "code"], ["ruler (a discretizer)", "ruler"],
  ["saturated", "saturated"], ["chance", "chance"], ["through the layers", "through"],
  ["bars", "bars"], ["beyond chance", "stray"],
];

const LINES = [
  "Each line is one layer over the training: a ring where it starts, a large dot where it is now, its name beside it. Colour is depth, from the input to the output.",
  "Up: the layer tells more about the label. Right: it keeps more inputs apart. Arrows show the direction, faint parts are early.",
  "The dotted lines are what there can be at most: a layer at H(Y) tells the whole label.",
  "An empty point is saturated: it says nothing of the network. A ring with a dot is to be read with caution.",
];

export class Help {
  constructor() {
    const rows = (pairs) => pairs.flatMap(([term, words]) => [
      element("dt", {textContent: term}), element("dd", {textContent: words}),
    ]);
    this.root = element(
      "dialog", {id: "help"},
      // First, so that the focus is here and the top is seen.
      element(
        "div", {className: "top"}, element("h2", {textContent: "How to read the plane"}),
        button("Close", "Close (Esc)", () => this.toggle()),
      ),
      element("ul", {id: "how-to"}, ...LINES.map((textContent) => element("li", {textContent}))),
      element("h2", {textContent: "Words"}),
      element("dl", {}, ...rows(TERMS.map(([term, key]) => [term, WORDS[key]]))),
      element("h2", {textContent: "Keys"}),
      element("dl", {className: "keys"}, ...rows(KEYS)),
      element("p", {className: "why", textContent: "More in the documentation: Reading the plane, Layers of any width, The tab in TensorBoard, Glossary."}),
    );
    this.root.setAttribute("aria-label", "How to read the plane");
  }

  toggle() {
    if (this.root.open) this.root.close();
    else {
      this.root.showModal();
      this.root.scrollTop = 0;
    }
  }
}
