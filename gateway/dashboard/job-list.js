import { byId, show } from './dom.js';
import { jobCard } from './job-card.js';
import { typeWords } from './words.js';

const isNewer = (a, b) => (a.epoch !== b.epoch ? a.epoch > b.epoch : a.seq > b.seq);
export const isLive = ({ status }) => status === 'queued' || status === 'processing';

/** How long cards out of place may stay there, where changes come one by one. */
const ARRANGE_MS = 50;

/** All jobs known to the page and their cards: each shows the newest state heard of, whoever brought it. */
export function jobList({ cancel, onArranged }) {
  const known = new Map();
  let wanted = { status: '', text: '' };
  let arranging;

  /** Takes it if it is news; whether cards may be out of place then. */
  const take = (job) => {
    const entry = known.get(job.promptId);
    if (entry && !isNewer(job, entry.job)) return false;
    const view = entry?.view ?? jobCard({ cancel });
    view.show(job);
    known.set(job.promptId, { job, view });
    return !entry || entry.job.status !== job.status || matches(entry.job) !== matches(job);
  };
  const matches = (job) =>
    (!wanted.status || job.status === wanted.status) && (!wanted.text || textOf(job).includes(wanted.text));

  /** Puts the cards in order, newest first, and moves only those out of place. */
  const arrange = () => {
    clearTimeout(arranging);
    arranging = undefined;
    const shown = [...known.values()]
      .filter(({ job }) => matches(job))
      .sort((a, b) => b.job.startedAt - a.job.startedAt);
    const cards = shown.map(({ view }) => view.card);
    const staying = new Set(cards);
    const place = byId('jobs');
    for (const card of [...place.children]) if (!staying.has(card)) card.remove();
    cards.forEach((card, n) => place.children[n] !== card && place.insertBefore(card, place.children[n] ?? null));
    place.setAttribute('aria-busy', 'false');
    showCounts(wanted.status ? undefined : [...known.values()].map(({ job }) => job));
    onArranged(shown.length);
  };

  return {
    take(job) {
      if (take(job)) arranging ??= setTimeout(arrange, ARRANGE_MS);
    },
    /** What the gateway lists now. Jobs that it lists no more go. */
    takeAll(jobs) {
      const listed = new Set(jobs.map(({ promptId }) => promptId));
      jobs.forEach(take);
      for (const [promptId, { view }] of known) {
        if (listed.has(promptId)) continue;
        view.remove();
        known.delete(promptId);
      }
      arrange();
    },
    preview: (promptId, blob) => known.get(promptId)?.view.preview(blob),
    want(filter) {
      wanted = filter;
      arrange();
    },
    tick: () => known.forEach(({ view }) => view.tick()),
    /** The ids of the jobs that are live and shown, the newest first. */
    live: () =>
      [...known.values()]
        .map(({ job }) => job)
        .filter((job) => isLive(job) && matches(job))
        .sort((a, b) => b.startedAt - a.startedAt)
        .map(({ promptId }) => promptId),
  };
}

const textOf = ({ promptId, type, userId, characterId, node, failure }) =>
  [promptId, type, typeWords(type), userId, characterId, node?.title, node?.type, failure?.message]
    .filter(Boolean)
    .join('\n')
    .toLowerCase();

/** A list of one status only cannot tell. */
function showCounts(jobs) {
  const count = (wanted) => jobs?.filter(({ status }) => status === wanted).length;
  const running = count('processing');
  show(byId('summary'), jobs && `${running} running, ${count('queued')} waiting`);
  document.title = running ? `(${running}) ComfyUI jobs` : 'ComfyUI jobs';
}
