import { historyOf } from '../../../../sources/codecs/history.codec';
import { jobOf, queueOf } from '../../../../sources/codecs/jobs.codec';
import { isFile, type Failure, type JobOutput } from '../../../../streams/job/job-state';
import { exchangesOf, recordings, type Recording } from '../../../support/replay/recordings';

const withAnswers = (route: RegExp, status?: number) =>
  recordings
    .map((recording) => [recording.name, answersOf(recording, route, status)] as const)
    .filter(([, answers]) => answers.length > 0);

/** The recorded answers of a route, each with the id that its path names. */
function answersOf(
  recording: Recording,
  route: RegExp,
  status = 200,
): readonly (readonly [id: string, json: unknown])[] {
  return exchangesOf(recording).flatMap((exchange) => {
    const path = route.exec(exchange.path);
    return path === null || exchange.method !== 'GET' || exchange.status !== status
      ? []
      : [[path[1] ?? '', exchange.response]];
  });
}

/** An end as one word, or its outputs. */
const ending = (outcome: readonly JobOutput[] | Failure): string =>
  'kind' in outcome
    ? outcome.kind
    : outcome
        .map((output) => `${output.nodeId} ${output.kind} ${isFile(output) ? output.type : output.text}`)
        .join(', ');

describe('the recorded answers', () => {
  test.each(withAnswers(/^\/queue$/))('of /queue in %s are queues', (_, answers) => {
    for (const [, json] of answers) expect(queueOf(json)).toBeDefined();
  });

  test.each(withAnswers(/^\/history\/([^/?]+)$/))('of /history in %s are histories', (_, answers) => {
    for (const [id, json] of answers) expect(historyOf(json, id)).toBeDefined();
  });

  test.each(withAnswers(/^\/api\/jobs\/([^/?]+)$/))('of /api/jobs in %s are jobs', (_, answers) => {
    for (const [, json] of answers) expect(jobOf(json)).toBeDefined();
  });

  test.each(withAnswers(/^\/api\/jobs\/([^/?]+)$/))(
    'of /api/jobs in %s tell the same end as those of /history',
    (name, answers) => {
      const recording = recordings.find((recording) => recording.name === name)!;
      for (const [id, json] of answers) {
        const histories = answersOf(recording, /^\/history\/([^/?]+)$/).filter(([other]) => other === id);
        for (const [, history] of histories) expect(jobOf(json)).toEqual(historyOf(history, id));
      }
    },
  );

  test.each([
    ['cached-rerun', '4 images output'],
    ['two-samplers-two-outputs', '4 images output, 6 images temp'],
    ['subgraph-loop', '4 images output'],
    ['interrupted', 'interrupted'],
    ['cancel-api', 'interrupted'],
    ['out-of-memory', 'out_of_memory'],
    ['node-error', 'node_error'],
  ])('of %s tell that it ended with: %s', (scenario, expected) => {
    const ends = recordings
      .filter((recording) => recording.scenario === scenario)
      .flatMap((recording) => [
        ...answersOf(recording, /^\/history\/([^/?]+)$/).map(([id, json]) => historyOf(json, id)),
        ...answersOf(recording, /^\/api\/jobs\/([^/?]+)$/).map(([, json]) => jobOf(json)),
      ]);
    expect(ends.length).toBeGreaterThan(0);
    for (const end of ends) expect(end?.tag === 'ended' && ending(end.outcome)).toBe(expected);
  });
});
