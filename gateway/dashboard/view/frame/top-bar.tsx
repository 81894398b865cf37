import icon from '../../icon.svg';
import { hashOf } from '../../model/place';
import { anyJob } from '../../model/wanted';
import { askForWorkflow } from '../submit/asked-submission';
import { useSession } from '../parts/session-context';
import { Servers } from './servers';
import { Who } from './who';

const LINKS = {
  idle: 'Connecting',
  connecting: 'Connecting',
  connected: 'Live',
  reconnecting: 'Reconnecting',
  unauthorized: 'Signed out',
  closed: 'Signed out',
} as const;

/** The page's name, the connection, the buttons of every page, and the servers. */
export function TopBar({ signOut }: { readonly signOut?: () => void }) {
  const { link } = useSession();
  return (
    <header class="top">
      <div class="top-row">
        <a class="brand" href={hashOf({ tag: 'list', wanted: anyJob })}>
          <img src={icon} alt="" width="26" height="26" />
          <span>ComfyUI jobs</span>
        </a>
        <p class="link" role="status" data-link={link}>
          <span class="dot" aria-hidden="true" />
          {LINKS[link.value]}
        </p>
        <span class="spring" />
        {signOut && <Who />}
        {signOut && (
          <button type="button" class="quiet" onClick={signOut}>
            Sign out
          </button>
        )}
        <button type="button" class="primary" onClick={() => askForWorkflow({})}>
          Submit<span class="wide"> a workflow</span>
        </button>
      </div>
      <Servers />
    </header>
  );
}
