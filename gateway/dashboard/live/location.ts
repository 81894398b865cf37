import { signal } from '@preact/signals';
import { anyJob } from '../model/wanted';
import { hashOf, placeOf, type Place } from '../model/place';

/** The place that the address names. */
export const here = signal<Place>(placeOf(location.hash));

/** The list as it was last shown, with its filters. */
let list: Place = { tag: 'list', wanted: anyJob };
export const lastList = (): Place => list;

const arrive = (place: Place): void => {
  if (here.value.tag === 'list') list = here.value;
  here.value = place;
};

addEventListener('hashchange', () => arrive(placeOf(location.hash)));
// The list scrolls itself: the browser would scroll before the list is drawn.
history.scrollRestoration = 'manual';

export const goTo = (place: Place): void => {
  location.hash = hashOf(place);
};

/** Goes to a place without an entry in the browser's history. */
export const turnTo = (place: Place): void => {
  history.replaceState(null, '', hashOf(place));
  arrive(place);
};
