import { useEffect, useState } from 'preact/hooks';
import { asked, askForWorkflow, readFiles } from './asked-submission';

/** Takes files that are dropped anywhere in the page, and says so while one is dragged over it. */
export function DropZone() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const listening = new AbortController();
    const { signal } = listening;
    // `dragleave` also fires when a child is entered: only as many leaves as enters mean that the file left the page.
    let depth = 0;
    const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
    const on = (type: 'dragenter' | 'dragover' | 'dragleave' | 'drop', then: (event: DragEvent) => void): void =>
      addEventListener(
        type,
        (event) => {
          if (!hasFiles(event)) return;
          event.preventDefault();
          then(event);
        },
        { signal },
      );
    on('dragenter', () => setOver((depth += 1) > 0));
    on('dragover', () => undefined);
    on('dragleave', () => setOver((depth -= 1) > 0));
    on('drop', (event) => {
      depth = 0;
      setOver(false);
      // A job to run again stays in the dialog and gets the new file.
      void readFiles(event.dataTransfer?.files ?? []).then((files) => askForWorkflow({ ...asked.value, files }));
    });
    return () => listening.abort();
  }, []);
  return over ? (
    <div class="drop" aria-hidden="true">
      <p>Drop a workflow: JSON, or a picture that ComfyUI saved</p>
    </div>
  ) : null;
}
