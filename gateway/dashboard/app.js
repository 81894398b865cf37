import { Refused, cancelJob, health, keepToken, listJobs } from './api.js';
import { byId, show } from './dom.js';
import { jobList } from './job-list.js';
import { liveJobs } from './live.js';
import { showHealth, showNoHealth } from './servers.js';

const PAGE = 50;
const EVERY_MS = 2000;
const AT_MOST_MS = 30_000;
/** How old the list may be while every change comes by itself. */
const LIST_MS = 30_000;
/** The gateway lets one socket follow 64 jobs; the others show no preview. */
const MOST_FOLLOWED = 60;
const LINKS = { live: 'Live', lost: 'Reconnecting', connecting: 'Connecting', locked: 'Signed out' };

const filters = byId('filters');
const list = jobList({ cancel, onArranged: showEmpty });
const live = liveJobs({
  onState: list.take,
  onPreview: list.preview,
  onLink,
  // What ended while the link was lost is in the list only.
  onWatching: () => void refresh(),
  onUnauthorized: askForToken,
});
let pages = 1;
let failures = 0;
let timer;
let turn = 0;
let listedAt = -LIST_MS;

async function cancel(promptId) {
  await cancelJob(promptId).then(list.take, (error) => show(byId('notice'), `Not cancelled: ${error.message}`));
}

function onLink(state) {
  byId('link').dataset.state = state;
  show(byId('link-text'), LINKS[state]);
}

function askForToken() {
  onLink('locked');
  signedIn(false);
  list.takeAll([]);
  byId('empty').hidden = true;
  show(byId('notice'), '');
}

function signedIn(yes) {
  byId('sign-in').hidden = yes;
  filters.hidden = !yes;
}

const wanted = () => {
  const fields = new FormData(filters);
  return { status: fields.get('status'), text: fields.get('text').trim().toLowerCase() };
};

/** As many pages as the person asked for, the newest first. */
async function listed(status) {
  const jobs = [];
  let cursor;
  for (let n = 0; n < pages; n += 1) {
    const page = await listJobs({ limit: PAGE, ...(status && { status }), ...(cursor && { cursor }) });
    jobs.push(...page.jobs);
    cursor = page.cursor;
    if (!cursor) break;
  }
  return { jobs, more: cursor !== undefined };
}

/** A look at the list and at the servers; the next follows by itself, later and later while they fail. */
async function refresh() {
  listedAt = -LIST_MS;
  await look();
}

/** A look at the servers, and at the list unless its changes come by themselves. */
async function look() {
  clearTimeout(timer);
  const mine = (turn += 1);
  const due = !live.isWatching() || performance.now() - listedAt >= LIST_MS;
  try {
    const [page, checks] = await Promise.all([due ? listed(wanted().status) : undefined, health()]);
    if (mine !== turn) return;
    failures = 0;
    if (page) {
      listedAt = performance.now();
      list.takeAll(page.jobs);
      byId('more').hidden = !page.more;
    }
    follow();
    showHealth(checks);
    signedIn(true);
    show(byId('notice'), '');
  } catch (error) {
    if (mine !== turn) return;
    failures += 1;
    showFailure(error);
  }
  const pause = Math.min(EVERY_MS * 2 ** failures, AT_MOST_MS);
  timer = setTimeout(look, document.hidden ? AT_MOST_MS : pause);
}

const follow = () => live.follow(new Set(list.live().slice(0, MOST_FOLLOWED)));

function showFailure(error) {
  if (error instanceof Refused && error.status === 401) return askForToken();
  showNoHealth();
  show(byId('notice'), error instanceof Refused ? error.message : 'The gateway does not answer. Trying again …');
}

function showEmpty(count) {
  const { status, text } = wanted();
  byId('empty').hidden = count > 0;
  show(byId('empty-title'), status || text ? 'No job matches' : 'No jobs yet');
  show(
    byId('empty-text'),
    status || text
      ? 'Jobs show up here as soon as they fit the filter.'
      : 'Jobs show up here as soon as they are submitted with POST /jobs.',
  );
}

filters.addEventListener('submit', (event) => event.preventDefault());
filters.addEventListener('input', ({ target }) => {
  list.want(wanted());
  if (target.name !== 'status') return;
  pages = 1;
  void refresh();
});
byId('more').addEventListener('click', () => {
  pages += 1;
  void refresh();
});
byId('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  keepToken(new FormData(event.target).get('token').trim());
  event.target.reset();
  signedIn(true);
  live.reconnect();
  void refresh();
});
document.addEventListener('visibilitychange', () => !document.hidden && refresh());
addEventListener('hashchange', () => {
  live.reconnect();
  void refresh();
});
setInterval(list.tick, 1000);
void refresh();
