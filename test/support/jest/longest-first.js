const { default: Sequencer } = require('@jest/test-sequencer');

const projectOf = ({ context }) => context.config.displayName.name;

/**
 * Longest first, as Jest has it (on a fresh clone: the largest file), and each project spread over the whole run: processes and
 * browsers keep both cores busy, edges mostly wait, and beside each other they take the time of the dearer alone.
 */
module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    const sorted = [...super.sort(tests)];
    const projects = [...new Set(sorted.map(projectOf))].map((name) =>
      sorted.filter((test) => projectOf(test) === name),
    );
    return projects
      .flatMap((own) => own.map((test, place) => ({ test, share: (place + 0.5) / own.length })))
      .sort((a, b) => a.share - b.share)
      .map(({ test }) => test);
  }
};
