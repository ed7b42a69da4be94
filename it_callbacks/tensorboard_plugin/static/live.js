// Looks for new points: by itself while there is none, and while a run is being written.

import {element} from "./dom.js";

const TICK = 1000;  // ms
const EVERY = {empty: 3, follow: 5};  // s
const STILL_WRITTEN = 60;  // s since the newest point
const LONG_AGO = 3600;

export function ago(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s ago`;
  if (seconds < LONG_AGO) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 48 * LONG_AGO) return `${Math.round(seconds / LONG_AGO)} h ago`;
  return `${Math.round(seconds / (24 * LONG_AGO))} days ago`;
}

export class Live {
  // `changed` is told of the reader's choice, `due` when it is time to look.
  constructor(choice, {changed, due}) {
    Object.assign(this, {choice, due, since: 0, newest: null, isEmpty: true});
    const title = "Look for new points every few seconds; on by itself while a run is being written";
    this.box = element("input", {type: "checkbox", id: "follow", ariaDescription: title});
    this.last = element("span", {id: "last-point"});
    this.follow = element("label", {title}, this.box, element("span", {textContent: "Follow"}));
    this.box.addEventListener("change", () => {
      choice.follow = this.box.checked === this.isWritten ? null : this.box.checked;
      changed();
    });
  }

  // What the server says of the time of the last points; its clock is the one that counts.
  heard({runs, now}, shown) {
    this.isEmpty = !runs.length;
    this.skew = Date.now() / 1000 - now;
    const times = runs.filter(({name}) => shown.includes(name)).map(({last}) => last).filter(Boolean);
    this.newest = times.length ? Math.max(...times) : null;
    this.tell();
  }

  get age() {
    return this.newest === null ? Infinity : Date.now() / 1000 - this.skew - this.newest;
  }

  get isWritten() {
    return this.age < STILL_WRITTEN;
  }

  get follows() {
    return this.choice.follow ?? this.isWritten;
  }

  tell() {
    this.box.checked = this.follows;
    this.last.textContent = this.newest === null ? "" : `last point ${ago(this.age)}`;
  }

  start() {
    setInterval(() => {
      this.tell();
      this.since += 1;
      const every = this.isEmpty ? EVERY.empty : this.follows ? EVERY.follow : Infinity;
      if (this.since < every) return;
      this.since = 0;
      this.due();
    }, TICK);
  }
}
