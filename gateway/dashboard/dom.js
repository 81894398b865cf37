/** An element with attributes and children; texts stay texts. `undefined` attributes are left out. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** Shows a text, or hides its element where there is none. Touches nothing that is right already. */
export function show(place, text) {
  const hidden = text === undefined || text === '';
  if (place.hidden !== hidden) place.hidden = hidden;
  if (!hidden && place.textContent !== text) place.textContent = text;
}

export const byId = (id) => document.getElementById(id);
