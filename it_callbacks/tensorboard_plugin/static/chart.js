// Shows the figures that the server sends, and keeps what the reader has done to them: where the
// slider stands, which layers are hidden. How a figure looks is the server's affair.

// A pause makes Plotly reject the promise of the animation that it ends, with no reason given.
window.addEventListener("unhandledrejection", (event) => {
  if (event.reason === undefined) event.preventDefault();
});

const steps = (figure) => figure.layout.sliders?.[0]?.steps ?? [];
const frameOf = (step) => step.args[0][0];

export class Chart {
  // `hid` gets the layers that the reader has hidden in the legend, whenever that changes.
  constructor(place, hid) {
    this.place = place;
    this.hid = hid;
    this.playing = false;
  }

  // Draws; a slider that stood at its end stays at the end, any other where it was.
  async draw(figure, config, axes) {
    const {layout} = this.place;
    const before = this.drawn ? steps(this.place) : [];
    const active = layout?.sliders?.[0]?.active ?? 0;
    const last = steps(figure).length - 1;
    let stand = last;
    if (active < before.length - 1) {
      const same = steps(figure).findIndex((step) => frameOf(step) === frameOf(before[active]));
      if (same >= 0) stand = same;
    }
    if (last >= 0) figure.layout.sliders[0].active = stand;
    figure.layout.uirevision = axes;
    figure.layout.autosize = true;
    await Plotly.react(this.place, {...figure, config: {...config, responsive: false}});
    if (stand !== last) await Plotly.animate(this.place, ...steps(figure)[stand].args);
    if (!this.drawn) this.listen();
    this.drawn = true;
  }

  listen() {
    const {place} = this;
    place.on("plotly_animating", () => { this.playing = true; });
    for (const end of ["plotly_animated", "plotly_animationinterrupted"]) {
      place.on(end, () => { this.playing = false; });
    }
    place.on("plotly_restyle", ([change]) => {
      if (change.visible) this.hid(this.hiddenLayers());
    });
  }

  // A layer's trace has its name as `meta`.
  hiddenLayers() {
    return this.place.data
      .filter(({meta, visible}) => typeof meta === "string" && visible === "legendonly")
      .map(({meta}) => meta);
  }

  clear() {
    if (this.drawn) Plotly.purge(this.place);
    this.drawn = false;
  }

  resize() {
    if (this.drawn && this.place.clientHeight) Plotly.Plots.resize(this.place);
  }

  save(format, filename) {
    if (!this.drawn) return;
    const {clientWidth: width, clientHeight: height} = this.place;
    Plotly.downloadImage(this.place, {format, filename, width, height, scale: format === "png" ? 2 : 1});
  }
}
