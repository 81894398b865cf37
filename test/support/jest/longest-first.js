const { existsSync } = require('node:fs');
const { join } = require('node:path');
const { default: Sequencer } = require('@jest/test-sequencer');

/** What waits longest, 15 s and more: all of it begins in the first three fifths of a run, or both cores are idle at its end. */
const WAITING = [
  'compat/comfyui-pod-client',
  'gateway/http/routes/events',
  'gateway/main/killed',
  'gateway/main/leaving',
  'gateway/sockets/acknowledged',
  'gateway/wire/secrets',
  'pipeline/instance/jobs/behind-others',
  'pipeline/instance/life',
  'pipeline/instance/options',
  'pipeline/posting/late-answers',
  'pipeline/posting/reruns/with-comfyui',
  'pipeline/posting/stopping',
  'pipeline/reads/elsewhere',
  'pipeline/sessions/redis/emptied',
  'pipeline/sessions/sessions',
  'pipeline/sessions/taken-sessions',
  'sinks/redis/redis-cluster',
  'system/outages/outages',
  'system/service/lora-training',
  'system/service/prometheus',
  'system/service/reported-training',
].map((name) => join(__dirname, '../..', `${name}.spec.ts`));
const WAITING_SPAN = 0.6;

const groupOf = ({ path, context }) => (WAITING.includes(path) ? 'waiting' : context.config.displayName.name);

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
    const gone = WAITING.filter((path) => !existsSync(path));
    if (gone.length > 0) throw new Error(`named in ${__filename}, and not there: ${gone.join(', ')}`);
    const sorted = [...super.sort(tests)];
    const groups = [...new Set(sorted.map(groupOf))].map((name) =>
      riffled(sorted.filter((test) => groupOf(test) === name)),
    );
    return groups
      .flatMap((own) =>
        own.map((test, place) => {
          const share = (place + 0.5) / own.length;
          return { test, share: groupOf(test) === 'waiting' ? WAITING_SPAN * share : share };
        }),
      )
      .sort((a, b) => a.share - b.share)
      .map(({ test }) => test);
  }
};
