import { ignoreElements, take, type Observable } from 'rxjs';
import type { BoardEvent } from '../../streams/board/board';
import type { SessionSockets } from '../../streams/changes/job-changes';
import { REPORTED_URL, type JobReport } from '../../streams/reports/job-report';

/**
 * The server of jobs that report themselves: it has no socket and is never looked at. Its sessions have leases as any
 * other's, and the instance that holds one watches over the jobs that were opened under it.
 */
export const reportedServer = {
  url: REPORTED_URL,
  session: (clientId: string): SessionSockets => ({
    clientId,
    serverUrl: REPORTED_URL,
    // The socket is never open, hence never deaf: reports come by themselves.
    connect: (_reopen$, stop$): Observable<BoardEvent> => stop$.pipe(take(1), ignoreElements()),
  }),
};

/** The event of a report. */
export const reportEvent = (promptId: string, report: JobReport, at: number): BoardEvent => ({
  tag: 'reported',
  promptId,
  report,
  at,
});
