const { default: Sequencer } = require('@jest/test-sequencer');

/** Processes and browsers first, then edges, then what takes no time: on a fresh clone jest knows no durations. */
const ORDER = ['system', 'edges', 'unit'];
const place = ({ context }) => ORDER.indexOf(context.config.displayName.name);

module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    return [...super.sort(tests)].sort((a, b) => place(a) - place(b));
  }
};
