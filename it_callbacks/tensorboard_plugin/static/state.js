// What the reader has chosen, and how an address holds it: only what differs from the defaults.

export const DEFAULTS = Object.freeze({
  name: null, run: null, set: null, reading: null, view: null, resolution: null, quantity: null,
  scale: null, arrange: null, until: null, chance: false, intervals: false, hidden: null,
  layer: null, filter: "", follow: null,
});

// TensorBoard keeps parameters of its hash that begin so for the plugin of this name. It holds one
// value under each, so that the second run is under `run.2`; that none is chosen, `run.0` says.
const PREFIX = "p.information_plane.";

const asText = (value) => (typeof value === "boolean" ? String(Number(value)) : String(value));

// Pairs of key and text.
export function toPairs(choice) {
  return Object.entries(DEFAULTS).flatMap(([key, usual]) => {
    const value = choice[key];
    if (value === usual || value === null || value === "") return [];
    if (Array.isArray(value) && !value.length) return [[`${key}.0`, "none"]];
    return [value].flat().map((each, n) => [n ? `${key}.${n + 1}` : key, asText(each)]);
  });
}

const MANY = ["run", "set", "hidden"];
const SWITCHES = ["chance", "intervals", "follow"];
// What is of another form cannot have been written here.
const FORMS = {
  resolution: /^\d{1,3}$/, until: /^\d{1,15}$/, scale: /^zero$/, arrange: /^(side|overlay|mean)$/,
};

export function fromPairs(pairs) {
  const choice = {...DEFAULTS};
  for (const [place, text] of pairs) {
    const key = place.replace(/\.\d+$/, "");
    if (!(key in DEFAULTS) || !text || FORMS[key]?.test(text) === false) continue;
    if (place === `${key}.0`) {
      if (MANY.includes(key)) choice[key] ??= [];
      continue;
    }
    if (MANY.includes(key)) (choice[key] ??= []).push(text);
    else choice[key] = SWITCHES.includes(key) ? text === "1" : text;
  }
  return choice;
}

const decoded = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

const parts = (hash) => hash.replace(/^#/, "").split("&").filter(Boolean);

export function fromHash(hash) {
  return fromPairs(parts(hash).map((part) => {
    const [key, ...rest] = part.split("=");
    return [decoded(key), decoded(rest.join("="))];
  }).filter(([key]) => key.startsWith(PREFIX)).map(([key, text]) => [key.slice(PREFIX.length), text]));
}

// The hash with our part of it exchanged; what TensorBoard has there stays.
export function intoHash(hash, choice) {
  const theirs = parts(hash).filter((part) => !decoded(part).startsWith(PREFIX));
  const ours = toPairs(choice).map(([key, text]) => `${PREFIX}${key}=${encodeURIComponent(text)}`);
  return `#${[...(theirs.length ? theirs : ["information_plane"]), ...ours].join("&")}`;
}
