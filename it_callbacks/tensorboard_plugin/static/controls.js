// Says what to show: the choices that the server offers, and of them those that have a meaning for
// the figure at hand.

import {checked, element, fill, group, list, named, unique} from "./dom.js";
import {RunList} from "./runs.js";
import {WORDS} from "./help.js";

const SCALES = [
  {name: "fit", title: "Fit", about: "Axes that fit the data (key f)"},
  {name: "zero", title: "From 0", about: "Axes from 0 to the most there can be (key f)"},
];
const ARRANGEMENTS = [
  {name: "side", title: "Side by side", about: "One panel for each run and set, on equal axes"},
  {name: "overlay", title: "Overlay", about: "All in one panel, coloured by run"},
  {name: "mean", title: "Mean of repeats", about: "One way for runs that repeat a training, with ellipses of one standard deviation"},
];
// Training and validation lie over each other to so many layers, and can still be read.
const FEW_LAYERS = 5;
// So many names a note has at most.
const SAID = 3;

export class Controls {
  // `changed` is called after each choice, with whether it is a step that Back undoes.
  constructor(choice, changed) {
    Object.assign(this, {choice, changed, meta: {}, opensAt: null});
    const box = (id, text, title) => {
      const input = element("input", {type: "checkbox", id, ariaDescription: title});
      const label = element("label", {title}, input, element("span", {textContent: text}));
      return {input, label};
    };
    const select = (id, text, title) => {
      const input = element("select", {id, ariaDescription: title});
      const label = element(
        "label", {className: "row", title}, element("span", {textContent: text}), input,
      );
      return {input, label};
    };
    this.runList = new RunList(
      (run) => this.take({run}),
      (filter) => { choice.filter = filter; changed(false); },
    );
    for (const id of ["figures", "sets", "readings", "views", "scales", "arrangements"]) {
      this[id] = list(id);
    }
    this.quantity = select("quantity", "Quantity", "What the curves are of");
    this.resolution = select("resolution", "Ruler", WORDS.ruler);
    this.chance = box("chance", "Chance level", `${WORDS.chance} (key c)`);
    this.intervals = box("intervals", "Bars at all points", `${WORDS.bars} (key b)`);
    this.why = element("p", {className: "why", id: "why"});
    this.setsGroup = group("Sets", this.sets);
    this.arrangeGroup = group("Arrange", this.arrangements);
    this.readingsGroup = group("Reading", this.readings);
    this.scalesGroup = group("Scale", this.scales);
    this.options = group(
      "Options", this.views, this.quantity.label, this.resolution.label, this.chance.label,
      this.intervals.label,
    );
    this.tabs = group("Picture", this.figures);
    this.tabs.className = "tabs";
    this.summary = element("summary", {});
    this.aside = element(
      "details", {id: "choices"}, this.summary,
      element(
        "div", {id: "groups"}, this.runList.root, this.arrangeGroup, this.setsGroup,
        this.readingsGroup, this.scalesGroup, this.options, this.why,
      ),
    );
    const takes = {
      figures: ([name]) => ({name, until: null}),
      sets: (set) => ({set}),
      readings: ([reading]) => ({reading}),
      views: ([view]) => ({view}),
      scales: ([scale]) => ({scale: scale === SCALES[0].name ? null : scale}),
      arrangements: ([arrange]) => ({arrange}),
    };
    for (const [id, taken] of Object.entries(takes)) {
      this[id].addEventListener("change", () => this.take(taken(checked(this[id]))));
    }
    this.resolution.input.addEventListener("change", ({target}) => this.take({resolution: target.value}));
    this.quantity.input.addEventListener("change", ({target: {value}}) => {
      // What only maps have is a difference of two sets.
      const isOfBoth = unique(this.ofShown(this.kind.also)).includes(value);
      this.take({quantity: value || null, ...(isOfBoth ? {set: ["train", "val"]} : {})});
    });
    for (const key of ["chance", "intervals"]) {
      this[key].input.addEventListener("change", ({target}) => this.take({[key]: target.checked}));
    }
  }

  take(changes) {
    Object.assign(this.choice, changes);
    this.isOfOthers ||= "run" in changes || "set" in changes;
    this.show();
    this.changed("name" in changes);
  }

  // Layers are hidden; runs, where they are what is coloured, are no longer checked.
  leaveOut(names, areRuns) {
    if (areRuns) this.take({run: this.shownRuns.filter((name) => !names.includes(name))});
    else this.take({hidden: names.length ? names : null});
  }

  // What there is; choices stay as far as they still have a meaning.
  offer(state) {
    this.state = state;
    this.show();
  }

  // What the figure says of itself: what it opened at, and what cannot be drawn.
  opened(meta) {
    this.meta = meta;
    this.show();
  }

  show() {
    const {choice, state} = this;
    const kind = this.kind?.name;
    const has = Object.fromEntries(
      state.runs
        .filter(({figures}) => figures[kind]?.length)
        .map(({name, figures}) => [name, figures[kind]]),
    );
    this.names = state.runs.map(({name}) => name).filter((name) => name in has);
    this.shownRuns = stillThere(choice.run, this.names, [state.newest]);
    const there = unique(this.shownRuns.map((name) => has[name]));
    const sets = state.sets.filter((set) => there.includes(set));
    this.shownSets = stillThere(choice.set, sets, this.usualSets());
    this.panels = this.shownRuns.flatMap(
      (run) => this.shownSets.filter((set) => has[run].includes(set)).map((set) => ({run, set})),
    );
    this.runList.show(
      state.runs.map(({name}) => name), this.shownRuns, choice.filter, this.withoutFigure,
    );
    fill(this.figures, "radio", state.kinds, [kind], this.unavailable);
    fill(this.sets, "checkbox", sets.map((name) => ({name})), this.shownSets);
    this.setsGroup.hidden = sets.length < 2;
    this.arrangeGroup.hidden = !this.takes("arrange") || this.panels.length < 2;
    const {arrange} = choice;
    const isDrawn = arrange && !(arrange in this.empty);
    fill(this.arrangements, "radio", ARRANGEMENTS, [isDrawn ? arrange : this.meta.arrange], this.empty);
    this.scalesGroup.hidden = !this.takes("scale");
    fill(this.scales, "radio", SCALES, [choice.scale ?? "fit"]);
    this.offerReadings();
    this.offerResolutions();
    this.chance.label.hidden = !this.takes("chance");
    this.intervals.label.hidden = !this.takes("intervals");
    this.chance.input.checked = choice.chance;
    this.intervals.input.checked = choice.intervals;
    this.options.hidden = [...this.options.children].slice(1).every(({hidden}) => hidden);
    const n = this.shownRuns.length;
    this.summary.textContent = `Runs (${n}) · Sets · Options`;
  }

  // Training beside validation where both can be read, else validation alone.
  usualSets() {
    if (this.shownRuns.length > 1) return ["val"];
    const {layers = {}} = named(this.state.runs, this.shownRuns[0]) ?? {};
    return (layers.val ?? Infinity) > FEW_LAYERS ? ["val"] : ["val", "train"];
  }

  // Runs that were chosen and are there; of no choice the newest, at which the tab opens.
  get wanted() {
    const {choice, state: {runs, newest}} = this;
    const chosen = (choice.run ?? [newest]).map((name) => named(runs, name)).filter(Boolean);
    return chosen.length ? chosen : runs;
  }

  // Why a run has no figure of this kind.
  reasonOf(run) {
    return run.absent[this.kind.name] ?? `it has not logged ${this.kind.what}`;
  }

  get withoutFigure() {
    const {runs} = this.state;
    return Object.fromEntries(
      runs.filter(({name}) => !this.names.includes(name)).map((run) => [run.name, `${run.name}: ${this.reasonOf(run)}`]),
    );
  }

  // What was chosen, or else the first that all of the runs have, or any of them.
  get kind() {
    const {kinds, opens_at: usual} = this.state;
    const has = ({figures}, name) => Boolean(figures[name]?.length);
    const names = [this.opensAt, ...usual];
    const any = (name) => this.wanted.some((run) => has(run, name));
    const opens = names.find((name) => any(name) && this.wanted.every((run) => has(run, name))) ?? names.find(any);
    return named(kinds, this.choice.name) ?? named(kinds, opens) ?? kinds[0];
  }

  // Why each kind cannot be shown that cannot.
  get unavailable() {
    const {kinds, runs} = this.state;
    return Object.fromEntries(kinds.flatMap(({name, what, monitor}) => {
      const why = this.wanted.find(({absent}) => absent[name])?.absent[name];
      const has = (rows) => rows.some(({figures}) => figures[name]?.length);
      if (has(this.wanted) || (!why && has(runs))) return [];
      return [[name, why ?? `No run here has logged ${what}: attach ${monitor}.`]];
    }));
  }

  get empty() {
    return this.meta.empty ?? {};
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
    return !reading.options.includes("view") || may(views, named(views, this.view));
  }

  // The reading that was chosen where it is there, or else at which the figure opened.
  get reading() {
    const there = unique(this.ofShown("readings"));
    const {choice, meta} = this;
    if (!there.length) return meta.reading || null;  // of a run without labels
    return [choice.reading, meta.reading].find((name) => there.includes(name)) ?? null;
  }

  get view() {
    const {views} = this.state;
    return (named(views, this.choice.view) ?? views[0])?.name;
  }

  offerReadings() {
    const there = unique(this.ofShown("readings"));
    const {readings, views} = this.state;
    const isOfOne = this.takes("quantity") && Boolean(this.choice.quantity);
    this.readingsGroup.hidden = !this.takes("reading") || there.length < 2 || isOfOne;
    const words = readings.map((row) => ({...row, about: `${row.about} (key w)`}));
    fill(this.readings, "radio", words, [this.reading], this.empty);
    this.views.hidden = !this.takes("view");
    fill(this.views, "radio", views, [this.view], this.empty);
    const rows = [...(this.views.hidden ? [] : views), ...(this.readingsGroup.hidden ? [] : readings)]
      .concat(this.arrangeGroup.hidden ? [] : ARRANGEMENTS, this.offerQuantities());
    this.why.textContent = rows
      .filter(({name}) => name in this.empty)
      .map(({name, title}) => `${title}: ${this.empty[name]}.`)
      .join(" ");
    this.why.hidden = !this.why.textContent;
  }

  // What the runs that are shown have of the sets that are shown.
  ofShown(what) {
    return this.panels.map(({run, set}) => named(this.state.runs, run)[what]?.[set] ?? []);
  }

  // What there are curves or maps of.
  offerQuantities() {
    const {choice, state, quantity} = this;
    const {also} = this.kind;
    const there = unique(["quantities", also].filter(Boolean).flatMap((of) => this.ofShown(of)));
    const names = Object.keys(state.quantities).filter((name) => there.includes(name));
    quantity.label.hidden = !this.takes("quantity");
    const usual = element("option", {value: "", textContent: "Of the plane"});
    quantity.input.replaceChildren(usual, ...names.map((value) => {
      const {title: textContent, about} = state.quantities[value];
      const disabled = value in this.empty && value !== choice.quantity;
      return element("option", {value, textContent, title: this.empty[value] ?? about, disabled});
    }));
    quantity.input.value = names.includes(choice.quantity) ? choice.quantity : "";
    return quantity.label.hidden ? [] : names.map((name) => ({name, ...state.quantities[name]}));
  }

  // The labels of each panel's rulers.
  offerResolutions() {
    const quantity = this.takes("quantity") && this.state.quantities[this.choice.quantity];
    const labels = this.ofShown("resolutions")
      .reduce((longest, each) => (each.length > longest.length ? each : longest), []);
    const isRead = quantity ? quantity.by_rulers : this.takes("resolution");
    this.resolution.label.hidden = labels.length < 2 || !isRead;
    const options = labels.map((textContent, value) => element("option", {value, textContent}));
    this.resolution.input.replaceChildren(...options);
    this.resolution.input.value = this.ruler;
  }

  // What is shown by name, so that a link shows the same when there is more.
  get inFull() {
    const {kind: {name}, shownRuns: run, shownSets: set} = this;
    return {name, run, set, ...this.resolved};
  }

  // What the figure opened at, where nothing was chosen.
  get resolved() {
    const {choice, meta} = this;
    return Object.fromEntries(["reading", "resolution"]
      .filter((option) => this.takes(option) && choice[option] === null)
      .map((option) => [option, meta[option]]));
  }

  get ruler() {
    const n = this.resolution.input.options.length;
    const chosen = Number(this.choice.resolution ?? n);
    return chosen < n ? chosen : (this.meta.resolution ?? 0);
  }

  // What stands in the way of a figure, in words; null if nothing does.
  obstacle() {
    if (!this.state.runs.length) {
      return "No run in this log directory holds an information plane or prediction entropies yet. "
        + "Attach a monitor, Trainer(callbacks=[InformationPlaneMonitor()]), and log to this "
        + "directory. This page looks every few seconds, and shows the first point when it comes.";
    }
    if (!this.names.length) return asSentence(this.unavailable[this.kind.name]);
    if (!this.shownRuns.length) return "Choose a run.";
    if (!this.shownSets.length) return "Choose a set.";
    return this.panels.length ? null : "None of the chosen runs has a chosen set.";
  }

  // What was asked for and is not shown, in words.
  get lost() {
    const {choice, shownRuns, shownSets, state: {runs}} = this;
    const why = (run) => {
      const row = named(runs, run);
      return row ? this.reasonOf(row) : "it is not in this log";
    };
    const without = (asked, shown) => (asked ?? []).filter((name) => !shown.includes(name));
    const gone = without(choice.run, shownRuns);
    const told = gone.slice(0, SAID).map((run) => `Run ${run}: ${why(run)}.`);
    if (gone.length > SAID) told.push(`${gone.length - SAID} more runs are not there.`);
    const sets = without(choice.set, shownSets);
    if (sets.length) told.push(`Set ${sets.join(", ")}: not in what is shown.`);
    if (told.length) {
      const names = shownRuns.slice(0, SAID).join(", ") + (shownRuns.length > SAID ? ", …" : "");
      told.push(`Showing ${names} (${shownSets.join(", ")}).`);
    }
    return told;
  }

  // What to say beside the figure; the empty text if nothing.
  note() {
    const {panels, state} = this;
    const isOverlaid = ["overlay", "mean"].includes(this.choice.arrange ?? this.meta.arrange);
    const most = isOverlaid ? state.most_runs : state.most_panels;
    const notes = this.lost;
    if (panels.length > most) {
      notes.push(`${panels.length} are chosen; the first ${most} are drawn.`);
    }
    if (this.takes("resolution") && this.reading === "code") {
      const labels = this.ofShown("resolutions").map((each) => each[this.ruler] ?? "none");
      if (new Set(labels).size > 1) {
        const told = unique(labels).map((label) => label || "unnamed").join("; ");
        notes.push(`These runs or sets have other rulers (${told}): they are not drawn as equals.`);
      }
    }
    return notes.join(" ");
  }

  // The query of a figure, and of it the part by which a reader's zoom stays of use.
  query(name, rest) {
    const {choice} = this;
    const axes = [["name", name]];
    for (const run of new Set(this.panels.map((panel) => panel.run))) axes.push(["run", run]);
    for (const set of this.shownSets) axes.push(["set", set]);
    if (this.takes("reading") && this.reading === choice.reading && choice.reading) {
      axes.push(["reading", choice.reading]);
    }
    const valid = {...choice, view: choice.view && this.view, quantity: this.quantity.input.value};
    if (choice.resolution >= this.resolution.input.options.length) valid.resolution = null;
    const isTaken = (option) =>
      (option === "resolution" ? !this.resolution.label.hidden : this.takes(option));
    for (const option of ["view", "quantity", "resolution", "scale", "arrange"]) {
      if (valid[option] && isTaken(option)) axes.push([option, valid[option]]);
    }
    const more = [];
    for (const option of ["chance", "intervals"]) {
      if (choice[option] && this.takes(option)) more.push([option, 1]);
    }
    for (const layer of choice.hidden ?? []) more.push(["hidden", layer]);
    for (const [key, value] of Object.entries(rest)) {
      if (value !== null && value !== undefined) more.push([key, value]);
    }
    return {query: String(new URLSearchParams([...axes, ...more])), axes: JSON.stringify(axes)};
  }

  // Names what is shown, for a file.
  fileName(step) {
    const one = (names, what) => (names.length === 1 ? names[0] : `${names.length}-${what}`);
    const at = /^(\w+) ([\d.]+)/.exec(step ?? "");
    return [
      this.kind.name, one(this.shownRuns, "runs"), one(this.shownSets, "sets"),
      ...(this.takes("reading") && this.reading ? [this.reading] : []),
      ...(this.takes("view") && this.view !== this.state.views[0].name ? [this.view] : []),
      ...(this.takes("quantity") && this.choice.quantity ? [this.choice.quantity] : []),
      ...(this.resolution.label.hidden ? [] : [`bins${this.ruler}`]),
      ...(at ? [at[1] + at[2]] : []),
    ].join("_").replace(/[^\w.-]+/g, "-");
  }
}

const asSentence = (text) => text[0].toUpperCase() + text.slice(1).replace(/\.?$/, ".");

// What was chosen and is left of it; else the favourites, else the first.
function stillThere(chosen, names, favourites) {
  const left = chosen?.filter((name) => names.includes(name));
  if (left && (left.length || !chosen.length)) return left;
  const liked = favourites.filter((name) => names.includes(name));
  return liked.length ? liked : names.slice(0, 1);
}
