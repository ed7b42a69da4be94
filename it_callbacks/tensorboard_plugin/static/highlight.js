// One layer (or run, where colour is by run) before the others: by class on groups of the drawing,
// since to draw anew would take a tenth of a second and flicker. Traces without opacity, and names
// that are spare, are of marks that are seen then only.

// Of a trace of the figure: the name that chips and highlights know it by.
export const nameOf = ({meta}, byRun) => (byRun ? meta?.run : meta?.layer) ?? null;

export const isByRun = (figure) => Boolean(figure?.layout?.meta?.layers?.[0]?.run);

const REACH = 24;  // px around a finger

// The name of the way that is drawn nearest to a place on the screen; null where none is near.
export function nearest(place, {clientX, clientY}) {
  const {left, top} = place.getBoundingClientRect();
  let [found, least] = [null, REACH];
  for (const trace of place.data ?? []) {
    if (!["points", "end"].includes(trace.meta?.role)) continue;
    const [across, up] = ["x", "y"].map(
      (letter) => place._fullLayout?.[`${letter}axis${(trace[`${letter}axis`] ?? "").slice(1)}`],
    );
    if (!across || !up) continue;
    trace.x.forEach((x, n) => {
      const far = Math.hypot(
        left + across._offset + across.d2p(x) - clientX, top + up._offset + up.d2p(trace.y[n]) - clientY,
      );
      if (far < least) [found, least] = [nameOf(trace, isByRun(place)), far];
    });
  }
  return found;
}

export class Highlight {
  // `told` gets the name that is lit, or null, and whether it is kept.
  constructor(place, told) {
    Object.assign(this, {place, told, passing: null, kept: null});
  }

  // While the pointer or the focus is there.
  pass(name) {
    if (this.passing === name) return;
    this.passing = name;
    this.paint();
  }

  // Until it is taken back.
  keep(name) {
    this.kept = name === this.kept ? null : name;
    this.passing = null;
    this.paint();
  }

  get lit() {
    return this.passing ?? this.kept;
  }

  paint() {
    const {place} = this;
    const {meta = {}} = place.layout ?? {};
    const byRun = isByRun(place);
    const known = (meta.layers ?? []).some(({name}) => name === this.lit);
    const lit = known ? this.lit : null;
    for (const trace of place.data ?? []) {
      const name = nameOf(trace, byRun);
      if (name === null || !trace.uid) continue;
      for (const node of place.querySelectorAll(`.trace${CSS.escape(trace.uid)}`)) {
        node.classList.toggle("dim", lit !== null && name !== lit);
        node.classList.toggle("lit", name === lit);
        if (name === lit) node.style.setProperty("--width", `${trace.line?.width ?? 1}px`);
      }
    }
    const spare = new Set((meta.spare ?? []).map(String));
    for (const node of place.querySelectorAll("g.annotation[data-index]")) {
      const {index} = node.dataset;
      const name = meta.names?.[index];
      if (name === undefined) continue;
      node.classList.toggle("lit", name === lit);
      node.classList.toggle("away", lit === null ? spare.has(index) : name !== lit);
    }
    this.told(lit, this.kept);
  }
}
