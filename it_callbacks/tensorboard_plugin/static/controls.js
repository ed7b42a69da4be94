// Native controls that say what to show. Names of runs and sets are strangers' text: they reach
// the page through textContent and properties only.

export const FIGURES = {
  plane: {
    title: "Information plane",
    monitor: "InformationPlaneMonitor",
    what: "an information plane",
  },
  predictions: {
    title: "Prediction entropies",
    monitor: "PredictionEntropyMonitor",
    what: "entropies of its predictions",
  },
  classes: {
    title: "Classes",
    monitor: "ConditionalEntropyMonitor",
    what: "entropies by class",
  },
};

const VIEWS = {
  linear: ["Linear", "I(X;T) against I(T;Y), as counted"],
  adjusted: ["Adjusted", "I(T;Y) on a scale on which chance is 0"],
  corrected: ["Corrected", "both corrected for the size of the sample"],
};

const MANY = 10;

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

const group = (title, ...children) =>
  element("fieldset", {}, element("legend", {textContent: title}), ...children);

// One labelled box per name. Boxes stay as they are while the names do, and with them the focus.
function fill(list, type, names, chosen, titles = {}) {
  const now = JSON.stringify(names);
  if (list.dataset.names !== now) {
    list.dataset.names = now;
    const boxes = names.map((value) => {
      const box = element("input", {type, value, name: list.id});
      const text = element("span", {textContent: titles[value]?.[0] ?? value});
      return element("label", {title: titles[value]?.[1] ?? value}, box, text);
    });
    list.replaceChildren(...boxes);
  }
  for (const box of list.querySelectorAll("input")) box.checked = chosen.includes(box.value);
}

const checked = (list) =>
  [...list.querySelectorAll("input:checked")].map((box) => box.value);

const unique = (lists) => [...new Set(lists.flat())];

export class Controls {
  // `changed` is called after each choice, `act` holds what the buttons do.
  constructor(changed, {refresh, save}) {
    const list = (id) => element("div", {id, className: "list"});
    const button = (id, textContent, title, onclick) =>
      element("button", {id, type: "button", textContent, title, onclick});
    const box = (id, text) => {
      const input = element("input", {type: "checkbox", id});
      return [input, element("label", {}, input, element("span", {textContent: text}))];
    };
    this.figures = list("figures");
    this.runs = list("runs");
    this.sets = list("sets");
    this.views = list("views");
    this.filter = element("input", {type: "search", id: "filter", placeholder: "Filter runs"});
    this.filter.setAttribute("aria-label", "Filter runs");
    this.resolution = element("select", {id: "resolution"});
    const [chance, chanceLabel] = box("chance", "Chance level");
    const [intervals, intervalsLabel] = box("intervals", "Intervals");
    const [follow, followLabel] = box("follow", "Follow");
    followLabel.title = "Look for new points every ten seconds";
    Object.assign(this, {chance, chanceLabel, intervals, intervalsLabel, follow});
    this.resolutionLabel = element(
      "label", {className: "row"}, element("span", {textContent: "Resolution"}), this.resolution,
    );
    this.setsGroup = group("Sets", this.sets);
    this.planeGroup = group(
      "Plane", this.views, this.resolutionLabel, this.chanceLabel, this.intervalsLabel,
    );
    const figures = group("Figure", this.figures);
    figures.className = "tabs";
    this.root = element(
      "div", {id: "controls"},
      element(
        "header", {}, figures,
        element(
          "div", {className: "buttons"}, followLabel,
          button("refresh", "Refresh", "Read the log again", refresh),
          button("svg", "SVG", "Save as SVG", () => save("svg")),
          button("png", "PNG", "Save as PNG", () => save("png")),
        ),
      ),
      element("aside", {}, group("Runs", this.filter, this.runs), this.setsGroup, this.planeGroup),
    );
    this.chosen = {
      name: "plane", runs: null, sets: null, view: "linear", resolution: 0,
      chance: false, intervals: false, hidden: new Set(), follow: false,
    };
    fill(this.figures, "radio", Object.keys(FIGURES), [this.chosen.name],
      Object.fromEntries(Object.entries(FIGURES).map(([name, {title}]) => [name, [title, title]])));
    this.root.addEventListener("change", ({target}) => {
      if (target === this.filter) return;
      this.take(target);
      this.show();
      changed();
    });
    this.filter.addEventListener("input", () => this.narrow());
  }

  // Notes the choice that was made in `target`.
  take(target) {
    const {chosen} = this;
    const [name] = checked(this.figures);
    Object.assign(chosen, {
      name,
      chance: this.chance.checked,
      intervals: this.intervals.checked,
      follow: this.follow.checked,
      resolution: Number(this.resolution.value || 0),
      view: checked(this.views)[0] ?? chosen.view,
    });
    if (this.runs.contains(target)) chosen.runs = checked(this.runs);
    if (this.sets.contains(target)) chosen.sets = checked(this.sets);
  }

  // Offers what there is now; what was chosen stays so where it is still there.
  offer(state) {
    this.state = state;
    this.show();
  }

  show() {
    const {chosen, state} = this;
    const has = Object.fromEntries(
      state.runs
        .filter(({figures}) => Object.keys(figures[chosen.name]).length)
        .map(({name, figures}) => [name, figures[chosen.name]]),
    );
    const names = state.runs.map(({name}) => name).filter((name) => name in has);
    this.names = names;
    this.shownRuns = this.stillThere(chosen.runs, names, state.newest);
    const sets = unique(this.shownRuns.map((name) => Object.keys(has[name]))).sort();
    this.shownSets = this.stillThere(chosen.sets, sets, "val");
    this.panels = this.shownRuns.flatMap((run) => this.shownSets.filter((set) => set in has[run]));
    fill(this.runs, "checkbox", names, this.shownRuns);
    fill(this.sets, "checkbox", sets, this.shownSets);
    fill(this.views, "radio", state.views, [chosen.view], VIEWS);
    this.filter.hidden = names.length <= MANY;
    this.narrow();
    this.setsGroup.hidden = sets.length < 2;
    this.planeGroup.hidden = chosen.name !== "plane";
    this.chanceLabel.hidden = chosen.view !== "linear";
    this.intervalsLabel.hidden = chosen.view !== "corrected";
    // Other figures have none, and must not undo the choice.
    if (chosen.name === "plane") this.offerResolutions(has);
  }

  offerResolutions(has) {
    const ways = this.shownRuns
      .flatMap((run) => this.shownSets.map((set) => has[run][set]?.resolutions ?? []))
      .reduce((longest, labels) => (labels.length > longest.length ? labels : longest), []);
    if (this.chosen.resolution >= ways.length) this.chosen.resolution = 0;
    const options = ways.map((textContent, value) => element("option", {value, textContent}));
    this.resolution.replaceChildren(...options);
    this.resolution.value = this.chosen.resolution;
    this.resolutionLabel.hidden = ways.length < 2;
  }

  // Nothing chosen yet, or nothing of it left: the favourite, else the first.
  stillThere(chosen, names, favourite) {
    const left = chosen?.filter((name) => names.includes(name));
    if (left && (left.length || !chosen.length)) return left;
    return names.includes(favourite) ? [favourite] : names.slice(0, 1);
  }

  narrow() {
    const part = this.filter.hidden ? "" : this.filter.value.toLowerCase();
    for (const label of this.runs.children) {
      label.hidden = !label.textContent.toLowerCase().includes(part);
    }
  }

  // What stands in the way of a figure, in words; null if nothing does.
  obstacle() {
    const {what, monitor} = FIGURES[this.chosen.name];
    if (!this.state.runs.length) {
      return "No run in this log directory holds an information plane or prediction entropies yet. "
        + "Attach a monitor, Trainer(callbacks=[InformationPlaneMonitor()]), log to this directory, "
        + "and press Refresh.";
    }
    if (!this.names.length) {
      return `No run here has logged ${what}. Attach ${monitor} to the Trainer.`;
    }
    if (!this.shownRuns.length) return "Choose a run.";
    if (!this.shownSets.length) return "Choose a set.";
    return this.panels.length ? null : "None of the chosen runs has a chosen set.";
  }

  // What to say beside the figure; the empty text if nothing.
  note() {
    const most = this.state.most_panels;
    return this.panels.length > most
      ? `${this.panels.length} panels are chosen; the first ${most} are drawn.`
      : "";
  }

  // The query of the figure, and of it the part by which a reader's zoom stays of use.
  query(theme) {
    const {chosen} = this;
    const axes = [["name", chosen.name]];
    for (const run of this.shownRuns) axes.push(["run", run]);
    for (const set of this.shownSets) axes.push(["set", set]);
    if (chosen.name === "plane") axes.push(["view", chosen.view], ["resolution", chosen.resolution]);
    const rest = [["theme", theme]];
    if (chosen.name === "plane") {
      if (chosen.chance && chosen.view === "linear") rest.push(["chance", 1]);
      if (chosen.intervals && chosen.view === "corrected") rest.push(["intervals", 1]);
      for (const layer of chosen.hidden) rest.push(["hidden", layer]);
    }
    return {query: String(new URLSearchParams([...axes, ...rest])), axes: JSON.stringify(axes)};
  }
}
