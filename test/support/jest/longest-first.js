const { default: Sequencer } = require('@jest/test-sequencer');

/** Processes and browsers first, then edges, then what takes no time. */
const ORDER = ['system', 'edges', 'unit'];
const place = ({ context }) => ORDER.indexOf(context.config.displayName.name);

/** Longest first, as Jest has it; on a fresh clone, where it knows no durations, by what they need. */
module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    const sorted = [...super.sort(tests)];
    return sorted.some(({ duration }) => duration !== undefined) ? sorted : sorted.sort((a, b) => place(a) - place(b));
  }
};
