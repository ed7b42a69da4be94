// What each key does, while no field takes the typing.

export const KEYS = [
  ["← →", "previous or next moment; with Shift ten"],
  ["Home End", "first moment, last moment"],
  ["Space", "play or stop"],
  [", .", "slower, faster"],
  ["↑ ↓", "highlight the layer nearer the input or the output"],
  ["Esc", "no highlight"],
  ["1 2 3 …", "picture"],
  ["w", "any width or binned code"],
  ["f", "axes that fit, or from 0"],
  ["t", "training on or off"],
  ["c b", "chance level, bars"],
  ["d", "table of last values"],
  ["?", "this help"],
];

const MOVES = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];

// Whether the key has a meaning of its own where the focus is.
function isTaken({key, target}) {
  const {type = "", tagName} = target;
  if (["search", "text", "number"].includes(type) || tagName === "SELECT") return key !== "Escape";
  if (["range", "radio"].includes(type) && MOVES.includes(key)) return true;
  return key === " " && /^(BUTTON|INPUT|SUMMARY|A)$/.test(tagName) && type !== "range";
}

// `acts` maps a key to what it does; digits come as one act with their number.
export function listen(acts) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTaken(event)) return;
    if (document.querySelector("dialog[open]") && event.key !== "?") return;
    const isDigit = /^[1-9]$/.test(event.key);
    const act = isDigit ? acts.digit : acts[event.key];
    if (!act) return;
    event.preventDefault();
    act(isDigit ? Number(event.key) : event.shiftKey ? 10 : 1);
  });
}
