import { EMPTY, catchError, concat, concatMap, defer, ignoreElements, of, type Observable } from 'rxjs';
import { interruptsById, isRefusal, queueOf } from '../codecs/jobs.codec';
import { lacksRoute, type JobRoutes } from '../looks/job-routes';
import { inQueueAs } from '../looks/queue-places';
import { NoAnswer, Unreadable } from './no-answer';
import type { Rest } from './rest';

/**
 * Asks the server to stop this job and no other. Completes once it was asked; errors with `NoAnswer`. Asking again
 * is harmless. Whether it stopped, frames and looks tell.
 */
export const cancel = (
  rest: Rest,
  routes: Pick<JobRoutes, 'answers' | 'isLegacy'>,
  promptId: string,
): Observable<never> =>
  defer(() => (routes.isLegacy() ? cancelLegacy(rest, promptId) : cancelById(rest, routes, promptId)));

const cancelById = (rest: Rest, { answers }: Pick<JobRoutes, 'answers'>, promptId: string): Observable<never> =>
  rest.post(`/api/jobs/${encodeURIComponent(promptId)}/cancel`, '{}').pipe(
    concatMap((answer) => {
      if (lacksRoute(answer)) return cancelLegacy(rest, promptId);
      if (answer.status === 200) return EMPTY;
      // ComfyUI's own 404 means that it knows no such job. A proxy's looks the same, so `answers` checks; any other
      // status is a proxy's.
      if (answer.status === 404 && isRefusal(answer.json)) return answers().pipe(ignoreElements());
      throw new NoAnswer(`/api/jobs/{id}/cancel: status ${answer.status}`, true);
    }),
  );

/**
 * For servers without the route: takes the job out of the queue, and interrupts it only if it is the one that runs.
 * 0.3.30 stops whatever runs, so the queue is read right before: only a job that starts between the two requests may be
 * hit. If the queue cannot be read, only a server that interrupts by id is asked to. A job whose answer was lost is known
 * by our mark alone.
 */
const cancelLegacy = (rest: Rest, promptId: string): Observable<never> =>
  concat(
    taken(rest, '/queue', { delete: [promptId] }),
    defer(() => rest.get('/queue')).pipe(
      concatMap(({ json }) => {
        const queue = queueOf(json);
        if (queue === undefined) throw new Unreadable('/queue: the body is not ComfyUI’s', true);
        return of(inQueueAs(queue, promptId));
      }),
      catchError((error: unknown) => {
        if (!(error instanceof Unreadable)) throw error;
        return rest.get('/system_stats').pipe(
          concatMap(({ json }) => {
            if (!interruptsById(json)) throw error;
            return of({ promptId, running: true });
          }),
        );
      }),
      concatMap((found) => {
        if (found === undefined) return EMPTY;
        const { promptId: id, running } = found;
        return running ? taken(rest, '/interrupt', { prompt_id: id }) : taken(rest, '/queue', { delete: [id] });
      }),
    ),
  );

/** Posts a command, and completes once ComfyUI took it, which it answers with 200. */
const taken = (rest: Rest, path: string, body: object): Observable<never> =>
  rest.post(path, JSON.stringify(body)).pipe(
    concatMap(({ status }) => {
      if (status !== 200) throw new NoAnswer(`${path}: status ${status}`, true);
      return EMPTY;
    }),
  );
