import { setsByKey } from '../maps/sets-by-key';

/** Times are kept by the second: to move one within its second costs nothing. */
const SLOT_MS = 1_000;

/** When each of many keys is due. `until` costs as much as it returns, however many keys are kept (R17). */
export interface DueTimes {
  /** Sets the time of a key; ∞ removes the key. */
  set(key: string, at: number): void;
  delete(key: string): void;
  /** The keys of all seconds up to that of `time`, so some may be due a little later. */
  until(time: number): readonly string[];
}

export function dueTimes(): DueTimes {
  const slots = setsByKey<number, string>();
  const slotOf = new Map<string, number>();
  const remove = (key: string): void => {
    const slot = slotOf.get(key);
    if (slot === undefined) return;
    slotOf.delete(key);
    slots.delete(slot, key);
  };
  return {
    set: (key, at) => {
      const slot = Math.floor(at / SLOT_MS);
      if (slotOf.get(key) === slot) return;
      remove(key);
      if (!Number.isFinite(slot)) return;
      slotOf.set(key, slot);
      slots.add(slot, key);
    },
    delete: remove,
    // Few slots: the jobs of one server are due within two minutes of each other.
    until: (time) => [...slots.all].flatMap(([slot, keys]) => (slot <= time / SLOT_MS ? [...keys] : [])),
  };
}
