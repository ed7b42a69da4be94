"use strict";
// Draws each figure where the page keeps a place for it; one that is folded away when it is opened.
const config = JSON.parse(document.getElementById("config").textContent);

function draw(place) {
  const figure = JSON.parse(document.getElementById(place.dataset.figure).textContent);
  place.replaceChildren();
  Plotly.newPlot(place, { ...figure, config });
}

for (const place of document.querySelectorAll("[data-figure]")) {
  const folded = place.closest("details:not([open])");
  if (folded) folded.addEventListener("toggle", () => draw(place), { once: true });
  else draw(place);
}

// A pause makes Plotly reject the promise of the animation that it ends, with no reason given.
window.addEventListener("unhandledrejection", (event) => {
  if (event.reason === undefined) event.preventDefault();
});

// A page on paper is narrower than a window, and no event of Plotly's own tells it so.
const fit = () => {
  for (const drawn of document.querySelectorAll(".js-plotly-plot")) Plotly.Plots.resize(drawn);
};
window.addEventListener("beforeprint", fit);
window.addEventListener("afterprint", fit);
