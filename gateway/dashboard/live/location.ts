import { signal } from '@preact/signals';
import { anyJob } from '../model/wanted';
import { hashOf, placeOf, type Place } from '../model/place';

/** Where one is. Follows the address. */
export const here = signal<Place>(placeOf(location.hash));

/** The list as it was last wanted. */
let list: Place = { tag: 'list', wanted: anyJob };
export const lastList = (): Place => list;

const arrive = (place: Place): void => {
  if (here.value.tag === 'list') list = here.value;
  here.value = place;
};

addEventListener('hashchange', () => arrive(placeOf(location.hash)));
// The list knows better where it was: the browser would scroll before it is there.
history.scrollRestoration = 'manual';

export const goTo = (place: Place): void => {
  location.hash = hashOf(place);
};

/** Changes the address without a step that `back` would have to go through. */
export const turnTo = (place: Place): void => {
  history.replaceState(null, '', hashOf(place));
  arrive(place);
};
