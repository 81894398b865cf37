const { default: Sequencer } = require('@jest/test-sequencer');

const projectOf = ({ context }) => context.config.displayName.name;

const riffled = (tests) => {
  const half = Math.ceil(tests.length / 2);
  return tests.slice(0, half).flatMap((test, n) => [test, ...tests.slice(half + n, half + n + 1)]);
};

/**
 * Longest first, as Jest has it (on a fresh clone: the largest file), but every second one from the shorter half, and each
 * project spread over the whole run: the longest mostly wait, and began together they left both cores idle. Processes
 * and browsers keep both busy, edges mostly wait, and beside each other they take the time of the dearer alone.
 */
module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    const sorted = [...super.sort(tests)];
    const projects = [...new Set(sorted.map(projectOf))].map((name) =>
      riffled(sorted.filter((test) => projectOf(test) === name)),
    );
    return projects
      .flatMap((own) => own.map((test, place) => ({ test, share: (place + 0.5) / own.length })))
      .sort((a, b) => a.share - b.share)
      .map(({ test }) => test);
  }
};
