import { isSettled, jobstream, type JobState } from '../../../gateway/client/index'; // in an application: 'comfyui-jobstream/client'

const gatewayUrl = document.querySelector<HTMLMetaElement>('meta[name=gateway]')?.content ?? '';
const connection = document.querySelector('#connection');
const list = document.querySelector('#jobs');

/** Asked for before each connection, so that a token may be short-lived. */
async function token(): Promise<string> {
  const answer = await fetch('/token');
  if (!answer.ok) throw new Error('not logged in');
  return answer.text();
}

const jobs = jobstream({ url: gatewayUrl, token });
const views = new Map<string, ReturnType<typeof view>>();

/** A job's place in the list: a bar, what it is at, and its picture. */
function view(promptId: string) {
  const [item, bar, text, image] = [
    document.createElement('li'),
    document.createElement('progress'),
    document.createElement('span'),
    document.createElement('img'),
  ];
  bar.max = 100;
  item.append(bar, text, image);
  list?.prepend(item);
  const previews = jobs.previews(promptId).subscribe({
    next: ({ image: bytes, mimeType }) => {
      const url = URL.createObjectURL(new Blob([bytes], { type: mimeType }));
      image.onload = () => URL.revokeObjectURL(url);
      image.src = url;
    },
    // Lossy, and gone with the job.
    error: () => undefined,
  });
  return { item, bar, text, image, previews };
}

function show(job: JobState): void {
  const { promptId, status, progress, node, failure, outputs = [] } = job;
  const shown = views.get(promptId) ?? view(promptId);
  views.set(promptId, shown);
  shown.item.dataset['status'] = status;
  shown.bar.value = progress;
  shown.text.textContent = failure?.message ?? node?.title ?? node?.type ?? status;
  if (!isSettled(job)) return;
  shown.previews.unsubscribe();
  const picture = outputs.findIndex(({ kind }) => kind === 'images');
  // A signed URL: <img> sends no token.
  if (picture >= 0) void jobs.outputUrl(promptId, picture).then((url) => (shown.image.src = url));
}

jobs.status$.subscribe((status) => connection && (connection.textContent = status));
jobs
  .watchMine()
  .subscribe({ next: show, error: (error: unknown) => connection && (connection.textContent = String(error)) });
