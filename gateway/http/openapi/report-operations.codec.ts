import { Report } from '../requests/report-request.codec';
import { examples } from './examples';
import { promptId, readsJson, readsJobs, readsNoQuery } from './job-operations.codec';
import { schemaOf } from './json-schema.codec';
import { json, operation, ref } from './operation';

const report = operation({
  id: 'reportJob',
  tag: 'jobs',
  summary: 'Tells of a job that reports itself',
  description:
    'By the program that runs it, with the token of its opening, or one that may see the job. Ten a second are taken, at any instance. A ' +
    '`count` no greater than the last changes nothing. With `outputs` or a `failure` the job ends, which is answered once it is stored: after ' +
    'a 503 the same is to be sent again. A job that has settled, because it was cancelled say, stays as it is: the program is to stop.',
  parameters: [promptId],
  body: schemaOf(Report),
  example: examples.report,
  answers: { 200: json('The job as it is now.', ref('Job')) },
  problems: [...readsJson, ...readsJobs, 'not-reported'],
});

const curves = operation({
  id: 'readCurves',
  tag: 'jobs',
  summary: 'The metrics of a job that reports itself, over time',
  description: 'Thinned to some 200 points, evenly over its time; without points where it told of none.',
  parameters: [promptId],
  answers: { 200: json('The points, in the order of time; `at` is ms since 1970, `value` the step.', ref('Curves')) },
  problems: [...readsNoQuery, ...readsJobs],
});

/** The operations of jobs that report themselves, by path. */
export const reportPaths = {
  '/jobs/{promptId}/report': { post: report },
  '/jobs/{promptId}/curves': { get: curves },
};
