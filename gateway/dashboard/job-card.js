import { element, show } from './dom.js';
import { outputTiles } from './outputs.js';
import { ago, duration, failureWords, phaseWords, statusWords, stepWords, typeWords } from './words.js';

/** One job on the page. `show(job)` brings it up to date, `preview(blob)` shows what its node sees, `tick()` moves its times. */
export function jobCard({ cancel }) {
  const part = Object.fromEntries(
    Object.entries({ picture: 'img', type: 'h2', user: 'span', character: 'span', id: 'code', status: 'span' })
      .concat(
        Object.entries({ percent: 'output', doing: 'span', step: 'span', left: 'span', via: 'span', when: 'span' }),
      )
      .map(([name, tag]) => [name, element(tag, { class: name })]),
  );
  part.picture.alt = 'Preview';
  const fill = element('div', { class: 'fill' });
  const bar = element('div', { class: 'bar', role: 'progressbar', 'aria-valuemin': '0', 'aria-valuemax': '100' }, fill);
  const failure = element('div', { class: 'failure', hidden: '' });
  const outputs = element('div', { class: 'outputs', hidden: '' });
  const stop = element('button', { class: 'cancel', type: 'button' }, 'Cancel');
  const frame = element('div', { class: 'frame', 'aria-hidden': 'true' }, part.picture);
  const card = element(
    'article',
    { class: 'job', tabindex: '0' },
    frame,
    element('div', { class: 'head' }, part.type, part.user, part.character, part.id, part.status, stop),
    element('div', { class: 'progress' }, bar, part.percent),
    element('div', { class: 'facts' }, part.doing, part.step, part.left, part.via, part.when),
    failure,
    outputs,
  );
  let job;
  let pictureUrl;

  stop.addEventListener('click', () => {
    if (stop.dataset.sure === undefined) {
      stop.dataset.sure = '';
      stop.textContent = 'Really cancel?';
      setTimeout(settleButton, 3000);
      return;
    }
    stop.disabled = true;
    void cancel(job.promptId).finally(() => (stop.disabled = false));
    settleButton();
  });
  const settleButton = () => {
    delete stop.dataset.sure;
    stop.textContent = 'Cancel';
  };

  const picture = (url) => {
    if (pictureUrl) URL.revokeObjectURL(pictureUrl);
    pictureUrl = url;
    if (url) part.picture.src = url;
    else part.picture.removeAttribute('src');
    card.classList.toggle('pictured', url !== undefined);
  };

  const tick = () => {
    const now = Date.now();
    const settled = job.finishedAt !== undefined;
    const took = settled ? job.finishedAt - job.startedAt : now - job.startedAt;
    const eta = job.etaMs === undefined ? undefined : job.etaMs - (now - job.updatedAt);
    show(part.left, !settled && eta > 0 ? `${duration(eta)} left` : '');
    show(part.when, settled ? `took ${duration(took)} · ${ago(job.finishedAt, now)}` : `for ${duration(took)}`);
  };

  return {
    card,
    tick,
    preview: (blob) => picture(URL.createObjectURL(blob)),
    remove() {
      picture(undefined);
      card.remove();
    },
    show(next) {
      const { promptId, type, userId, characterId, status, progress, phase, via } = next;
      const before = job;
      job = next;
      Object.assign(card.dataset, {
        status,
        phase,
        job: promptId,
        tone: next.failure?.kind === 'cancelled' ? 'calm' : '',
      });
      show(part.type, typeWords(type));
      show(part.user, userId);
      show(part.character, characterId);
      show(part.id, promptId.slice(0, 8));
      part.id.title = promptId;
      card.setAttribute('aria-label', `${typeWords(type)} of ${userId}, ${statusWords(next)}`);
      bar.setAttribute('aria-label', `Progress of ${typeWords(type)} ${promptId.slice(0, 8)}`);
      bar.setAttribute('aria-valuenow', String(progress));
      bar.setAttribute('aria-valuetext', `${progress} %, ${statusWords(next)}`);
      fill.style.setProperty('--done', String(progress / 100));
      show(part.percent, `${progress.toFixed(1)} %`);
      show(part.status, statusWords(next));
      const live = status === 'queued' || status === 'processing';
      show(part.doing, live ? phaseWords(next) : '');
      show(part.step, live ? stepWords(next) : '');
      show(part.via, live && via === 'polling' ? 'polled' : '');
      part.via.title = 'Frames are missing, so the gateway asks for news';
      stop.hidden = !live;
      if (!live) picture(undefined);
      if (before?.status !== status) showEnd(next, failure, outputs);
      tick();
    },
  };
}

function showEnd(job, failure, outputs) {
  failure.hidden = !job.failure;
  if (job.failure) failure.replaceChildren(...failureParts(job.failure, job.nodeErrors ?? []));
  outputs.hidden = !job.outputs?.length;
  if (job.outputs?.length) outputs.replaceChildren(...outputTiles(job));
}

function failureParts(failure, nodeErrors) {
  const where = failure.nodeType && `${failure.nodeType}, node ${failure.nodeId}`;
  const facts = [where, failure.retryable ? 'Another try may work' : ''].filter(Boolean).join(' · ');
  const complaints = nodeErrors.map(({ nodeId, nodeType, input, message }) =>
    element('li', {}, element('b', {}, [nodeType ?? 'Node', nodeId, input].filter(Boolean).join(' ')), ` ${message}`),
  );
  return [
    element('strong', {}, failureWords(failure)),
    element('p', {}, failure.message),
    ...(complaints.length ? [element('ul', {}, ...complaints)] : []),
    ...(facts ? [element('small', {}, facts)] : []),
  ];
}
