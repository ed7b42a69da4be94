// Native controls. Names of runs, sets and layers are strangers' text: they reach the page through
// textContent and properties only.

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

export const button = (textContent, title, onclick, properties = {}) =>
  element("button", {type: "button", textContent, title, onclick, ...properties});

export const group = (title, ...children) =>
  element("fieldset", {}, element("legend", {textContent: title}), ...children);

export const list = (id) => element("div", {id, className: "list"});

export const unique = (lists) => [...new Set(lists.flat())];

export const named = (rows, wanted) => rows.find(({name}) => name === wanted);

export const isNarrow = () => window.matchMedia("(max-width: 599px)").matches;

// The middle of a long name says least.
export function elided(name, most) {
  if (name.length <= most) return name;
  const half = (most - 1) >> 1;
  return `${name.slice(0, half)}…${name.slice(-half)}`;
}

// One labelled box per row of {name, title, about}. Boxes stay as they are while the names do, and
// with them the focus. `empty` tells of some names why they cannot be chosen.
export function fill(place, type, rows, chosen, empty = {}) {
  const now = JSON.stringify(rows.map(({name, title}) => [name, title]));
  if (place.dataset.names !== now) {
    place.dataset.names = now;
    place.replaceChildren(...rows.map(({name, title}) => {
      const box = element("input", {type, value: name, name: place.id});
      return element("label", {}, box, element("span", {textContent: title ?? name}));
    }));
  }
  [...place.children].forEach((label, index) => {
    const {name, about} = rows[index];
    const box = label.firstChild;
    box.checked = chosen.includes(name);
    box.disabled = name in empty && !box.checked;
    label.title = empty[name] ?? about ?? name;
    box.ariaDescription = label.title === name ? null : label.title;
  });
}

export const checked = (place) =>
  [...place.querySelectorAll("input:checked")].map((box) => box.value);
