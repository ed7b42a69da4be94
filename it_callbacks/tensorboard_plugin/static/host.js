// What this frame learns from the TensorBoard around it, for which there is no public interface.

import {fromHash, intoHash} from "./state.js";

// TensorBoard's reload button and timer speak over a channel that the frame has to open; each
// message that is no reply awaits one.
export function onReload(then) {
  const {port1: ours, port2: theirs} = new MessageChannel();
  ours.onmessage = ({data}) => {
    const message = JSON.parse(data);
    if (message.isReply) return;
    const reply = {...message, payload: null, error: null, isReply: true};
    ours.postMessage(JSON.stringify(reply));
    if (message.type === "experimental.DataReloaded") then();
  };
  window.parent.postMessage("experimental.bootstrap", "*", [theirs]);
}

// "dark" or "light" now, and again whenever the reader switches.
export function onTheme(then) {
  const {body} = window.parent.document;
  const tell = () => then(body.classList.contains("dark-mode") ? "dark" : "light");
  new MutationObserver(tell).observe(body, {attributes: true, attributeFilter: ["class"]});
  tell();
}

// Another tab in front leaves the frame alive without height; its document still calls itself
// visible.
export function onResize(place, then) {
  new ResizeObserver(() => then()).observe(place);
}

export const isHidden = () => window.innerHeight === 0 || document.hidden;

// This frame alone: the page around it would print no more than is in view.
export const print = () => window.print();

// `before` unfolds what paper cannot, and gives what folds it again.
export function onPrint(before) {
  let after = () => {};
  window.addEventListener("beforeprint", () => { after = before(); });
  window.addEventListener("afterprint", () => after());
}

// Keys reach the tab unless the reader is in something of the parent's.
export function takeFocus() {
  const {activeElement, body} = window.parent.document;
  if (activeElement === body) window.focus();
}

// The address bar is the parent's: its hash holds what was chosen.
export const chosenInAddress = () => fromHash(window.parent.location.hash);

export const address = (choice) => {
  const {href, hash} = window.parent.location;
  return href.slice(0, href.length - hash.length) + intoHash(hash, choice);
};

// A step that the browser's back button undoes, or none.
export function noteInAddress(choice, isStep) {
  const {history, location} = window.parent;
  const hash = intoHash(location.hash, choice);
  if (hash === location.hash) return;
  history[isStep ? "pushState" : "replaceState"](history.state, "", hash);
}

export function onBack(then) {
  const {parent} = window;
  const tell = () => { if (!isHidden()) then(chosenInAddress()); };
  parent.addEventListener("popstate", tell);
  window.addEventListener("pagehide", () => parent.removeEventListener("popstate", tell));
}
