import { useEffect, useRef, useState } from 'preact/hooks';
import type { FileKind } from '../../model/files';

export interface Viewed {
  /** The whole file; or else `url`, where it can be fetched. */
  readonly blob?: Blob;
  readonly url?: string;
  readonly filename: string;
  readonly kind: FileKind;
}

/** One output, as large as the window allows. */
export function Viewer({ viewed, close }: { readonly viewed: Viewed; readonly close: () => void }) {
  const { blob, filename, kind } = viewed;
  const dialog = useRef<HTMLDialogElement>(null);
  const [url, setUrl] = useState(viewed.url);
  const [broken, setBroken] = useState(false);
  useEffect(() => {
    if (blob === undefined) return;
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [blob]);
  useEffect(() => dialog.current?.showModal(), []);
  const besides = (event: MouseEvent): void => {
    if (event.target === dialog.current) dialog.current?.close();
  };
  return (
    <dialog ref={dialog} class="viewer" aria-label={filename} onClose={close} onClick={besides}>
      <header>
        <strong>{filename}</strong>
        {url !== undefined && (
          <a href={url} download={filename}>
            Save
          </a>
        )}
        <button type="button" class="quiet" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </header>
      <div class="stage">
        {url !== undefined && kind === 'image' && <img src={url} alt={filename} />}
        {url !== undefined && kind === 'video' && !broken && (
          <video src={url} controls loop playsInline preload="metadata" onError={() => setBroken(true)} />
        )}
        {url !== undefined && kind === 'audio' && !broken && (
          <audio src={url} controls preload="metadata" onError={() => setBroken(true)} />
        )}
        {broken && <p class="soft">This browser cannot play it, or ComfyUI has it no more; try to save it.</p>}
        {kind === 'file' && <p class="soft">A browser cannot show this kind of file; save it instead.</p>}
      </div>
    </dialog>
  );
}
