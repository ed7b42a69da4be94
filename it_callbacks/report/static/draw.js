"use strict";
// Draws each figure where the page keeps a place for it: for the window's width and in the colours
// of the page; on paper always the wide one in light colours, folded ones too.
const config = JSON.parse(document.getElementById("config").textContent);
const places = [...document.querySelectorAll("[data-figure]")];
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const small = 600; // px, as in the style
const drawn = new Map(); // place -> how it is drawn
let onPaper = false;

/** A figure, or a part of one, with other colours wherever there are colours. */
function recoloured(value, colours, isColour = false) {
  if (typeof value === "string") return (isColour && colours[value]) || value;
  if (Array.isArray(value)) return value.map((each) => recoloured(each, colours, isColour));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key,
      key === "text" ? each : recoloured(each, colours, isColour || /color/i.test(key)),
    ]),
  );
}

/** The narrow figure, with what it has in common with the wide one, which has it under a number. */
function whole(narrow, wide) {
  const taken = (each, of) => (typeof each === "number" ? of[each] : each);
  const data = narrow.data.map((each) => taken(each, wide.data));
  return { ...narrow, data, frames: narrow.frames.map((each) => taken(each, wide.frames)) };
}

function draw(place) {
  const isNarrow = !onPaper && place.clientWidth < small;
  const isDark = !onPaper && dark.matches;
  const width = isNarrow || (!onPaper && place.clientWidth < 940) ? place.clientWidth : 940;
  const how = [isNarrow, isDark, width].join();
  if (!width || drawn.get(place) === how) return;
  drawn.set(place, how);
  const of = JSON.parse(document.getElementById(place.dataset.figure).textContent);
  const shown = isNarrow ? whole(of.narrow, of.wide) : of.wide;
  const figure = isDark ? recoloured(shown, of.dark) : shown;
  figure.layout.width = width;
  // What cannot be pressed is left out, and the room that it took.
  if (onPaper) Object.assign(figure.layout, of.still, { sliders: [], updatemenus: [] });
  place.replaceChildren();
  Plotly.newPlot(place, { ...figure, config });
}

const drawAll = () => {
  for (const place of places) {
    if (onPaper || !place.closest("details:not([open])")) draw(place);
  }
};
drawAll();
for (const folded of document.querySelectorAll("details")) {
  folded.addEventListener("toggle", () => drawAll());
}
dark.addEventListener("change", () => drawAll());
window.addEventListener("resize", () => drawAll());

// What is folded is open on paper, and folded again after.
let folded = [];
window.addEventListener("beforeprint", () => {
  onPaper = true;
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const each of folded) each.open = true;
  drawAll();
});
window.addEventListener("afterprint", () => {
  onPaper = false;
  for (const each of folded) each.open = false;
  drawAll();
});

for (const button of document.querySelectorAll("[data-copies]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const text = document.getElementById(button.dataset.copies);
    const selected = window.getSelection();
    selected.selectAllChildren(text);
    document.execCommand("copy"); // the newer way is not there for a page from a disk
    selected.removeAllRanges();
    button.textContent = "Copied";
  });
}

// A pause makes Plotly reject the promise of the animation that it ends, with no reason given.
window.addEventListener("unhandledrejection", (event) => {
  if (event.reason === undefined) event.preventDefault();
});
