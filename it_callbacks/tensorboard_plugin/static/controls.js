// Native controls that say what to show; the server says what there is. Names of runs and sets are
// strangers' text: they reach the page through textContent and properties only.

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

const named = (rows, wanted) => rows.find(({name}) => name === wanted);

// Radio buttons of rows with a name, a title and perhaps what it is about.
function fillTitled(list, rows, chosen) {
  const titles = rows.map(({name, title, about}) => [name, [title, about ?? title]]);
  fill(list, "radio", rows.map(({name}) => name), [chosen], Object.fromEntries(titles));
}

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
    this.readings = list("readings");
    this.views = list("views");
    this.filter = element("input", {type: "search", id: "filter", placeholder: "Filter runs"});
    this.filter.setAttribute("aria-label", "Filter runs");
    const select = (id, textContent) => {
      const input = element("select", {id});
      const row = {className: "row"};
      return [input, element("label", row, element("span", {textContent}), input)];
    };
    const [quantity, quantityLabel] = select("quantity", "Quantity");
    const [resolution, resolutionLabel] = select("resolution", "Resolution");
    const [chance, chanceLabel] = box("chance", "Chance level");
    const [intervals, intervalsLabel] = box("intervals", "Intervals");
    const [follow, followLabel] = box("follow", "Follow");
    followLabel.title = "Look for new points every ten seconds";
    Object.assign(this, {chance, chanceLabel, intervals, intervalsLabel, follow});
    Object.assign(this, {quantity, quantityLabel, resolution, resolutionLabel});
    this.setsGroup = group("Sets", this.sets);
    this.readingsGroup = group("Reading", this.readings);
    this.options = group(
      "Options", this.views, quantityLabel, resolutionLabel, chanceLabel, intervalsLabel,
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
      element("aside", {}, group("Runs", this.filter, this.runs), this.setsGroup, this.readingsGroup, this.options),
    );
    this.chosen = {
      name: null, runs: null, sets: null, reading: null, view: null, quantity: null, resolution: 0,
      chance: false, intervals: false, hidden: new Set(), follow: false,
    };
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
      reading: checked(this.readings)[0] ?? chosen.reading,
      view: checked(this.views)[0] ?? chosen.view,
    });
    // Figures that have none must not undo the choice.
    if (target === this.resolution) chosen.resolution = Number(this.resolution.value);
    if (target === this.quantity) chosen.quantity = this.quantity.value;
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
    chosen.name ??= state.kinds[0]?.name;
    chosen.view ??= state.views[0]?.name;
    const has = Object.fromEntries(
      state.runs
        .filter(({figures}) => figures[chosen.name].length)
        .map(({name, figures}) => [name, figures[chosen.name]]),
    );
    const names = state.runs.map(({name}) => name).filter((name) => name in has);
    this.names = names;
    this.shownRuns = this.stillThere(chosen.runs, names, state.newest);
    const sets = unique(this.shownRuns.map((name) => has[name])).sort();
    this.shownSets = this.stillThere(chosen.sets, sets, "val");
    this.panels = this.shownRuns.flatMap((run) => this.shownSets.filter((set) => has[run].includes(set)));
    fill(this.runs, "checkbox", names, this.shownRuns);
    fill(this.sets, "checkbox", sets, this.shownSets);
    fillTitled(this.figures, state.kinds, chosen.name);
    fillTitled(this.views, state.views, chosen.view);
    this.offerReadings();
    this.filter.hidden = names.length <= MANY;
    this.narrow();
    this.setsGroup.hidden = sets.length < 2;
    this.options.hidden = !this.kind?.options.length;
    this.views.hidden = !this.takes("view");
    this.chanceLabel.hidden = !this.takes("chance");
    this.intervalsLabel.hidden = !this.takes("intervals");
    this.offerQuantities();
    this.offerResolutions();
  }

  get kind() {
    return named(this.state.kinds, this.chosen.name);
  }

  // Whether the figure has this option, in this reading and view of it if it has several.
  takes(option) {
    const options = this.kind?.options ?? [];
    if (!options.includes(option)) return false;
    const {readings, views} = this.state;
    const may = (rows, chosen) =>
      !rows.some((each) => each.options.includes(option)) || chosen.options.includes(option);
    const reading = named(readings, this.reading) ?? readings[0];
    if (options.includes("reading") && !may(readings, reading)) return false;
    return !reading.options.includes("view") || may(views, named(views, this.chosen.view));
  }

  // The reading that was chosen, or at which the figure opened, where it is still there.
  get reading() {
    const {reading} = this.chosen;
    return unique(this.ofShown("readings")).includes(reading) ? reading : null;
  }

  // Notes at which of several readings the server opened the figure; it stays until another is
  // chosen.
  opened(reading) {
    const isOne = unique(this.ofShown("readings")).length < 2;
    if (!reading || isOne || this.reading === reading) return;
    this.chosen.reading = reading;
    this.show();
  }

  offerReadings() {
    const there = unique(this.ofShown("readings"));
    this.readingsGroup.hidden = !this.takes("reading") || there.length < 2;
    fillTitled(this.readings, this.state.readings, this.reading);
  }

  // What the runs that are shown have of the sets that are shown.
  ofShown(what) {
    return this.shownRuns
      .map((name) => named(this.state.runs, name)[what])
      .flatMap((bySet) => this.shownSets.map((set) => bySet[set] ?? []));
  }

  offerQuantities() {
    const {chosen, state} = this;
    const there = unique(this.ofShown("quantities"));
    const names = Object.keys(state.quantities).filter((name) => there.includes(name));
    this.quantityLabel.hidden = !this.takes("quantity");
    if (this.quantityLabel.hidden) return;
    if (!names.includes(chosen.quantity)) chosen.quantity = names[0];
    this.quantity.replaceChildren(...names.map((value) => {
      const {title: textContent, about: title} = state.quantities[value];
      return element("option", {value, textContent, title});
    }));
    this.quantity.value = chosen.quantity;
  }

  offerResolutions() {
    const quantity = this.takes("quantity") && this.state.quantities[this.chosen.quantity];
    if (!this.takes("resolution") || (quantity && !quantity.by_rulers)) {
      this.resolutionLabel.hidden = true;
      return;
    }
    const labels = this.ofShown("resolutions")
      .reduce((longest, each) => (each.length > longest.length ? each : longest), []);
    if (this.chosen.resolution >= labels.length) this.chosen.resolution = 0;
    const options = labels.map((textContent, value) => element("option", {value, textContent}));
    this.resolution.replaceChildren(...options);
    this.resolution.value = this.chosen.resolution;
    this.resolutionLabel.hidden = labels.length < 2;
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
    if (!this.state.runs.length) {
      return "No run in this log directory holds an information plane or prediction entropies yet. "
        + "Attach a monitor, Trainer(callbacks=[InformationPlaneMonitor()]), log to this directory, "
        + "and press Refresh.";
    }
    const {what, monitor} = this.kind;
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
    if (this.takes("reading") && this.reading) axes.push(["reading", this.reading]);
    for (const option of ["view", "quantity", "resolution"]) {
      if (this.takes(option)) axes.push([option, chosen[option]]);
    }
    const rest = [["theme", theme]];
    for (const option of ["chance", "intervals"]) {
      if (chosen[option] && this.takes(option)) rest.push([option, 1]);
    }
    if (this.takes("hidden")) for (const layer of chosen.hidden) rest.push(["hidden", layer]);
    return {query: String(new URLSearchParams([...axes, ...rest])), axes: JSON.stringify(axes)};
  }
}
