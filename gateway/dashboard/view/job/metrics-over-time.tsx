import { useEffect, useRef, useState } from 'preact/hooks';
import { isSettled } from '../../../../streams/job/job-state';
import { drawn, joined, noCurves, type Curves } from '../../../../streams/reports/curves';
import type { PublicJob } from '../../../wire/public-job';
import { curveOf, HEIGHT, WIDTH } from '../../model/curves';
import { useSession } from '../parts/session-context';

/** The metrics that a job reports, each with its curve. */
export function MetricsOverTime({ job }: { readonly job: PublicJob }) {
  const { points } = useCurves(job);
  return (
    <section class="metrics" aria-labelledby="metrics-title">
      <h2 id="metrics-title">Metrics</h2>
      <ul>
        {Object.entries(job.metrics ?? {})
          .map(([name, value]) => curveOf(name, value, points))
          .map(({ name, newest, line, words }) => (
            <li key={name} data-metric={name}>
              <h3>{name}</h3>
              <strong>{newest}</strong>
              <svg viewBox={`0 -1 ${WIDTH} ${HEIGHT + 2}`} preserveAspectRatio="none" aria-hidden="true">
                <polyline points={line} />
              </svg>
              <small class="soft">{words}</small>
            </li>
          ))}
      </ul>
    </section>
  );
}

/** The points that the gateway kept, joined with those that this page has seen since. */
function useCurves(job: PublicJob): Curves {
  const { api, link } = useSession();
  const { promptId } = job;
  const [kept, setKept] = useState(noCurves);
  const seen = useRef(noCurves);
  const isOver = isSettled(job);
  // A settled state may only repeat the last metrics, so no point is added for it.
  if (!isOver) seen.current = drawn(seen.current, job);
  const isLinked = link.value === 'connected';
  // Asked for at first, after each reconnection and at the end. In between, the states bring the points.
  useEffect(() => {
    let isLate = false;
    api.curves(promptId).then(
      ({ points }) => !isLate && setKept({ points, everyMs: 0 }),
      // On failure only the points that this page saw are shown.
      () => undefined,
    );
    return () => {
      isLate = true;
    };
  }, [promptId, isOver, isLinked, api]);
  return joined(kept, seen.current);
}
