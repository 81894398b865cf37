import { useEffect, useRef, useState } from 'preact/hooks';
import type { PublicJob } from '../../../wire/public-job';
import { isFile, type FileOutput, type JobOutput } from '../../../../streams/job/job-state';
import { extensionOf, isReported, kindOf, linkOf } from '../../model/files';
import { Refused, type Api } from '../../live/api';
import { count } from '../../model/words';
import { useSession } from '../parts/session-context';
import { Viewer, type Viewed } from './viewer';

/** How many tiles are shown at first, and added by each press: a job may have thousands of files. */
const FIRST = 24;

/** A job's outputs: images and texts are shown, other files are named. */
export function Outputs({ job }: { readonly job: PublicJob }) {
  const { promptId, outputs = [] } = job;
  const [most, setMost] = useState(FIRST);
  const [viewed, setViewed] = useState<Viewed>();
  return (
    <section class="outputs" aria-labelledby="outputs-title">
      <h2 id="outputs-title">
        Outputs <span class="soft">{outputsWords(outputs)}</span>
      </h2>
      <ul class="tiles">
        {outputs.slice(0, most).map((output, n) => (
          <li key={n} data-text={!isFile(output)}>
            {!isFile(output) && <Words text={output.text} />}
            {isFile(output) && isReported(output) && <ReportedTile output={output} />}
            {isFile(output) && !isReported(output) && (
              <Tile promptId={promptId} output={output} n={n} open={setViewed} />
            )}
          </li>
        ))}
      </ul>
      {outputs.length > most && (
        <button type="button" class="older" onClick={() => setMost(most + FIRST)}>
          Show more of {outputsWords(outputs)}
        </button>
      )}
      {viewed && <Viewer viewed={viewed} close={() => setViewed(undefined)} />}
    </section>
  );
}

function outputsWords(outputs: readonly JobOutput[]): string {
  const files = outputs.filter(isFile).length;
  const texts = outputs.length - files;
  return [files > 0 ? count(files, 'file') : '', texts > 0 ? count(texts, 'text') : ''].filter(Boolean).join(', ');
}

/** A text output, as the node gave it. */
const Words = ({ text }: { readonly text: string }) => (
  <pre class="words" tabIndex={0} aria-label="Text">
    {text}
  </pre>
);

/** A file that is not at the gateway: a link if its URL was reported, else its name. */
function ReportedTile({ output }: { readonly output: FileOutput }) {
  const link = linkOf(output);
  const face = (
    <>
      <span class="ending">{extensionOf(output.filename)}</span>
      <span class="name">
        {output.filename}
        {link && <small> at {link.host}</small>}
      </span>
    </>
  );
  if (link === undefined) return <div class="tile reported">{face}</div>;
  return (
    <a class="tile reported" href={link.href} target="_blank" rel="noopener noreferrer">
      {face}
    </a>
  );
}

interface TileProps {
  readonly promptId: string;
  readonly output: FileOutput;
  readonly n: number;
  readonly open: (viewed: Viewed) => void;
}

/** One file. An image is fetched when it comes into sight, any other file when it is opened. */
function Tile({ promptId, output, n, open }: TileProps) {
  const { api } = useSession();
  const { filename, type } = output;
  const kind = kindOf(filename);
  const place = useRef<HTMLButtonElement>(null);
  const [url, setUrl] = useState<string>();
  const [missing, setMissing] = useState<string>();

  useEffect(() => {
    if (kind !== 'image' || place.current === null) return;
    let made: string | undefined;
    let over = false;
    const sight = new IntersectionObserver(([entry]) => {
      if (entry?.isIntersecting !== true) return;
      sight.disconnect();
      // Fetched, because an <img> with a URL could not send the token.
      api.output(promptId, n).then(
        (blob) => !over && setUrl((made = URL.createObjectURL(blob))),
        (error: unknown) => !over && setMissing(whyMissing(error)),
      );
    });
    sight.observe(place.current);
    return () => {
      over = true;
      sight.disconnect();
      if (made !== undefined) URL.revokeObjectURL(made);
    };
  }, [api, promptId, n, kind]);

  const view = (): void => {
    viewedOf(api, promptId, n, filename).then(
      (viewed) => {
        setMissing(undefined);
        open(viewed);
      },
      (error: unknown) => setMissing(whyMissing(error)),
    );
  };
  return (
    <button type="button" class="tile" data-kind={kind} data-missing={missing !== undefined} ref={place} onClick={view}>
      {missing !== undefined && <span class="gone">{missing}</span>}
      {missing === undefined && kind === 'image' && url !== undefined && <img src={url} alt="" decoding="async" />}
      {missing === undefined && kind !== 'image' && <span class="ending">{extensionOf(filename)}</span>}
      <span class="name">
        {filename}
        {type === 'temp' && <small> temporary</small>}
      </span>
    </button>
  );
}

/** Fetches a file to view it. Video and audio are played from a URL instead, without fetching them whole first. */
async function viewedOf(api: Api, promptId: string, n: number, filename: string): Promise<Viewed> {
  const kind = kindOf(filename);
  const url = kind === 'video' || kind === 'audio' ? await api.outputUrl(promptId, n) : undefined;
  return { filename, kind, ...(url === undefined ? { blob: await api.output(promptId, n) } : { url }) };
}

const whyMissing = (error: unknown): string =>
  error instanceof Refused && error.status === 404
    ? 'ComfyUI has it no more'
    : 'It could not be fetched now. Press to try again';
