import type { RefObject } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { PublicJob } from '../../../wire/public-job';
import { rowAfter, virtualWindow } from '../../model/virtual-window';
import { JobRow } from './job-row';
import { useNarrow, useViewport } from './viewport';

const ROW_PX = { wide: 56, narrow: 76 };

/** The job that was opened from the list and the scroll position then, for the return to the list. */
const left: { promptId: string | undefined; scrollY: number } = { promptId: undefined, scrollY: 0 };

interface Props {
  readonly jobs: readonly PublicJob[];
  readonly label: string;
}

/**
 * A list for thousands of jobs. Only the rows in sight are in the page, and the one with the focus; each has its place
 * among all as `aria-posinset`. Arrows, Page Up and Down, Home and End move the focus, Enter opens a job.
 */
export function VirtualList({ jobs, label }: Props) {
  const list = useRef<HTMLUListElement>(null);
  const { scrollY, height } = useViewport();
  const rowHeight = useNarrow() ? ROW_PX.narrow : ROW_PX.wide;
  const count = jobs.length;
  const top = scrollY - topOf(list.current);
  const { first, end } = virtualWindow({ count, rowHeight, top, height });
  useScrollRestored();
  const { activeAt, setActiveId, moveTo } = useActiveRow(jobs, list, rowHeight);

  const press = (event: KeyboardEvent): void => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const to = rowAfter(event.key, activeAt, { count, rowHeight, height });
    if (to === undefined) return;
    event.preventDefault();
    moveTo(to);
  };
  const shown = jobs.slice(first, end).map((job, n) => ({ job, index: first + n }));
  const active = jobs[activeAt];
  if (active && (activeAt < first || activeAt >= end)) shown.push({ job: active, index: activeAt });
  return (
    <ul
      class="jobs"
      role="list"
      aria-label={label}
      ref={list}
      style={{ height: `${count * rowHeight}px` }}
      onKeyDown={press}
      onFocusIn={(event) => setActiveId(rowOf(event)?.dataset['job'])}
      onClick={rememberPlace}
    >
      {shown.map(({ job, index }) => (
        <JobRow
          key={job.promptId}
          job={job}
          index={index}
          size={count}
          top={index * rowHeight}
          active={index === activeAt}
        />
      ))}
    </ul>
  );
}

/** The row that the keys start from, by default the first. After `moveTo` it gets the focus once it is drawn. */
function useActiveRow(jobs: readonly PublicJob[], list: RefObject<HTMLUListElement | null>, rowHeight: number) {
  const [activeId, setActiveId] = useState(left.promptId);
  const wantsFocus = useRef(left.promptId !== undefined);
  const found = jobs.findIndex(({ promptId }) => promptId === activeId);
  const activeAt = Math.max(0, found);
  useLayoutEffect(() => {
    if (!wantsFocus.current) return;
    const link = list.current?.querySelector<HTMLElement>(`[data-index="${activeAt}"]`);
    link?.focus({ preventScroll: true });
    wantsFocus.current = link === null;
  });
  const moveTo = (index: number): void => {
    setActiveId(jobs[index]?.promptId);
    wantsFocus.current = true;
    bringIntoSight(list.current, index, rowHeight);
  };
  return { activeAt, setActiveId, moveTo };
}

/** Scrolls to where the list was when a job was opened from it. */
function useScrollRestored(): void {
  useLayoutEffect(() => {
    if (left.promptId !== undefined) scrollTo({ top: left.scrollY, behavior: 'instant' });
    left.promptId = undefined;
  }, []);
}

const rowOf = ({ target }: Event): HTMLElement | null => (target as HTMLElement).closest<HTMLElement>('[data-job]');

function rememberPlace(event: MouseEvent): void {
  const row = rowOf(event);
  if (row === null) return;
  left.promptId = row.dataset['job'];
  left.scrollY = window.scrollY;
}

const topOf = (list: HTMLElement | null): number =>
  list === null ? 0 : list.getBoundingClientRect().top + window.scrollY;

/** Scrolls as little as needed to show the row, below the filters that stick to the top. */
function bringIntoSight(list: HTMLElement | null, index: number, rowHeight: number): void {
  if (list === null) return;
  const sticky = document.querySelector('.filters')?.getBoundingClientRect().height ?? 0;
  const rowTop = topOf(list) + index * rowHeight;
  const above = rowTop - sticky;
  const below = rowTop + rowHeight - innerHeight;
  if (window.scrollY > above) scrollTo({ top: above, behavior: 'instant' });
  else if (window.scrollY < below) scrollTo({ top: below, behavior: 'instant' });
}
